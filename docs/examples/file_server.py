"""An MCP server for the files of one folder, over stdio: ``python file_server.py FOLDER``."""

import sys
from pathlib import Path
from typing import Any

try:  # version 2 of the SDK
    from mcp.server.mcpserver import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer

server = MCPServer("files")
folder = Path(sys.argv[1]).resolve()


def inside(name: str) -> Path:
    """The path of a file, which must be one of the folder's."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"{name} is not in the folder")
    return path


@server.tool()
def names(suffix: str = "") -> list[str]:
    """The names of the files, sorted."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.name.endswith(suffix))


@server.tool()
def measure(name: str) -> dict[str, Any]:
    """How long a file is, and its first line."""
    text = inside(name).read_text("utf-8")
    return {"name": name, "words": len(text.split()), "first": text.partition("\n")[0]}


if __name__ == "__main__":
    server.run(transport="stdio")
