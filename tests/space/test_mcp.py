"""Every endpoint is a tool for agents: listed, described and called by an MCP client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from calling import GOOD, RATINGS
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import CallToolResult, ListToolsResult

from hf_cf.space.endpoints import WITHOUT_REASONS
from hf_cf.space.group import GroupFunctions
from hf_cf.space.service import Service


def in_session(
    address: str, calls: list[tuple[str, dict[str, Any]]]
) -> tuple[ListToolsResult, list[CallToolResult]]:
    """List the tools, and call some."""

    async def work() -> tuple[ListToolsResult, list[CallToolResult]]:
        async with (
            streamablehttp_client(f"{address}gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = await session.list_tools()
            return tools, [await session.call_tool(name, values) for name, values in calls]

    return asyncio.run(work())


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert content.type == "text"
    return content.text


def test_every_tool_is_described_and_answers_in_json(address: str, service: Service) -> None:
    tools, results = in_session(address, list(GOOD.items()))
    assert {tool.name for tool in tools.tools} == GOOD.keys()
    for tool in tools.tools:
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.readOnlyHint
        assert tool.outputSchema is not None
        for name, parameter in tool.inputSchema["properties"].items():
            assert parameter["description"], f"{tool.name} does not say what {name} is"
    for (name, values), result in zip(GOOD.items(), results, strict=True):
        assert not result.isError
        asked = GroupFunctions(service) if name == "recommend_together" else service
        explains = name in ("recommend", "recommend_for_user")
        expected = getattr(asked, name)(**values, **(WITHOUT_REASONS if explains else {}))
        assert json.loads(text_of(result)) == json.loads(json.dumps(expected))
        assert result.structuredContent == {"result": json.loads(text_of(result))}


def test_what_is_wrong_with_a_call_is_said(address: str) -> None:
    _, results = in_session(
        address,
        [
            ("similar", {"item": "Heet (1995)"}),
            ("recommend", {"ratings": {"Alien (1979)": 11}}),
            ("recommend", {"ratings": RATINGS, "n": 10**9}),
            ("search", {}),
        ],
    )
    assert all(result.isError for result in results)
    said = [text_of(result) for result in results]
    assert "Heat (1995)" in said[0]
    assert "not a rating from" in said[1]
    assert "1 to 100" in said[2]
    assert "text" in said[3]
