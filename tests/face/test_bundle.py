"""The dashboard's modules as one script: in the order they need each other, and nothing that the bundle does not understand."""

from __future__ import annotations

import html
import re

import pytest

from streams.api.bundle import bundled
from streams.api.guard import Guard
from streams.api.routes_dashboard import files
from tests.face.api_parts import make_live
from tests.face.test_api import client

A = "import { b, c } from './b-b.js';\nb(c);\n"
B = "import { d } from './d.js';\nexport const b = d;\nexport async function c() {}\nconst own = 1;\n"
D = "export class d {}\n"


def test_each_module_comes_once_behind_those_it_needs_and_tells_what_it_exports() -> None:
    script = bundled({"a": A + "import { d } from './d.js';\n", "b-b": B, "d": D, "unused": "export const u = 1;"}, "a")
    assert [line for line in script.splitlines() if line.startswith("const $$")] == [
        "const $$d = (() => {", "const $$b_b = (() => {", "const $$a = (() => {",
    ]  # fmt: skip
    assert "const { b, c } = $$b_b;" in script
    assert "return { b, c };" in script
    assert "import" not in script
    assert "export" not in script


@pytest.mark.parametrize(
    "text",
    [
        "import x from './d.js';",
        "import * as x from './d.js';",
        "import { d as x } from './d.js';",
        "import { d } from 'elsewhere';",
        "import './d.js';",
        "export default 1;",
        "export { x };",
        "export let x = 1;",
        "const x = await import('./d.js');",
        "  export const x = 1;",
    ],
)
def test_a_form_it_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no form"):
        bundled({"a": text, "d": D}, "a")


def test_modules_in_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        bundled({"a": "import { b } from './b.js';\nexport const a = 1;", "b": "import { a } from './a.js';\nexport const b = 1;"}, "a")


def test_the_page_asks_for_one_script_and_one_style_sheet() -> None:
    page = files()["index.html"].plain.decode()
    assert page.count("<script") == 1
    assert page.count('rel="stylesheet"') == 1
    assert [name for name in files() if name.endswith(".js")] == ["dashboard.js"]


async def test_the_browser_fetches_ahead_what_the_script_asks_first_and_only_where_no_token_is_needed() -> None:
    async with client(make_live()) as api:
        ahead = re.findall(r'<link rel="preload" href="([^"]+)"', (await api.get("/")).text)
        assert len(ahead) == 1
        assert f"ask('{html.unescape(ahead[0])}')" in (await api.get("/assets/dashboard.js")).text
        assert (await api.get(html.unescape(ahead[0]))).json() == []
    async with client(make_live(), guard=Guard(None, None, "read")) as api:
        page = (await api.get("/")).text
        assert "preload" not in page
        assert "dashboard.js" in page
        assert (await api.get("/assets//without-ahead")).status_code == 404
