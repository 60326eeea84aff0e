"""The endpoints as tools for agents: the Model Context Protocol, by its own library.

Gradio's MCP server writes answers as Python and has neither output schemas nor annotations.
"""

from __future__ import annotations

from typing import Any

import orjson
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

import hf_cf
from hf_cf.space.calls import Calls
from hf_cf.space.endpoints import Endpoint
from hf_cf.space.errors import Problem


def mcp_sessions(calls: Calls) -> StreamableHTTPSessionManager:
    """Make what answers MCP requests over HTTP; a session keeps nothing."""
    server: Server[Any, Any] = Server("hf-cf", version=hf_cf.__version__)
    tools = [_tool(each) for each in calls.endpoints.values() if each.public]

    async def list_tools() -> list[types.Tool]:
        return tools

    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        try:
            answer = await calls.answer_soon(name, arguments)
        except Exception as error:
            problem = Problem.of(error, f"the tool {name}")
            text = types.TextContent(type="text", text=problem.message)
            return types.CallToolResult(content=[text], isError=True)
        text = types.TextContent(type="text", text=orjson.dumps(answer).decode())
        return types.CallToolResult(content=[text], structuredContent={"result": answer})

    # The endpoints check their values, so that a call is refused in the same words everywhere.
    server.list_tools()(list_tools)
    server.call_tool(validate_input=False)(call_tool)
    return StreamableHTTPSessionManager(server, json_response=True, stateless=True)


def _tool(endpoint: Endpoint) -> types.Tool:
    answer = endpoint.answer_schema()
    definitions = answer.pop("$defs", {})
    return types.Tool(
        name=endpoint.name,
        description=endpoint.description.text,
        inputSchema=endpoint.request_schema(),
        outputSchema={
            "type": "object",
            "properties": {"result": answer},
            "required": ["result"],
            "$defs": definitions,
        },
        annotations=types.ToolAnnotations(
            readOnlyHint=True, idempotentHint=True, openWorldHint=False
        ),
    )
