// What the theme leaves to the mouse: code that is wider than the page can be scrolled with the keyboard too.
const focusable = () => document.querySelectorAll("pre > code").forEach((code) => { code.tabIndex = 0 });
focusable();
addEventListener("load", focusable);
