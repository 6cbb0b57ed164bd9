"""The ``mcp`` nodes: tools of MCP servers, over one session per server that all items share."""
