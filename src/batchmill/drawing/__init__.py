"""Pictures as text: SVG by itself or inside of a page, in colours that follow the reader's light or dark
setting. Everything is in the one file: no script, no font, nothing to fetch."""
