"""Pictures as text: SVG by itself or inside a page, in colours that follow the reader's light or dark
setting. Each file is self-contained: no script, no font, no download."""
