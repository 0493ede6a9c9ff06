"""What the pages say of the repository holds: files that exist, links that lead somewhere, decisions in one form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator.faults import NAMES

CHECKOUT = Path(__file__).resolve().parents[3]
LAYER = CHECKOUT / "layers/parley/parley"
DECISIONS = sorted(CHECKOUT.glob("docs/decisions/*.md"))
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md"), *DECISIONS])
TOP = {path.name for path in CHECKOUT.iterdir() if not path.name.startswith(".")}
ROOMS = {path.name for path in LAYER.iterdir()}
FILE_NAMES = {path.name for top in TOP for path in [CHECKOUT / top, *(CHECKOUT / top).rglob("*")]}
PLACEHOLDER = re.compile(r"[<{]|NN_|NNNN|YYYY")
SECTIONS = ["Decision", "Why", "What else was considered", "Consequences"]


def page_name(page: Path) -> str:
    """A page, as a test's id."""
    return str(page.relative_to(CHECKOUT))


def missing_files(page: Path) -> Iterator[str]:
    """The files that a page names in backticks and that are not there.

    A path begins at the checkout, or inside the layer at a room; a name alone may stand for a file anywhere.
    """
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    if page.name == "seeds.md":  # the first cell of a row names what the seeds call their own
        text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.MULTILINE)
    for name in re.findall(r"`([^`\s]+)`", text):
        if PLACEHOLDER.search(name):
            continue
        first = name.split("/")[0]
        if "/" in name and first in TOP | ROOMS | {"parley"}:
            if not any(next(place.glob(name.rstrip("/")), None) for place in (CHECKOUT, LAYER.parent, LAYER)):
                yield name
        elif re.fullmatch(r"[\w-]+\.(py|sql|md|yaml|toml)", name) and name not in FILE_NAMES:
            yield name


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    assert sorted(set(missing_files(page))) == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_names_every_failure_that_the_emulator_has() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert {name for name in NAMES if f"`{name}`" not in readme and f"[[fault:{name}" not in readme} == set()


def test_a_file_that_is_not_there_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`docs/seeds.md`, `api/router.py`, `schema/*.sql`, `docs/gone.md`, `api/gone.py`, `gone_today.sql`")
    assert list(missing_files(page)) == ["docs/gone.md", "api/gone.py", "gone_today.sql"]


@pytest.mark.parametrize("page", DECISIONS, ids=page_name)
def test_a_decision_has_the_form_of_all_others(page: Path) -> None:
    title, gap, dated, *rest = page.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(rf"# {page.name[:4]} \S.*", title), title
    assert gap == ""
    assert re.match(r"\d{4}-\d\d-\d\d\. (Easy|Hard) to change[.:]", dated), dated
    sections = [line.removeprefix("## ") for line in rest if line.startswith("## ")]
    assert sections[0] == "Decision"
    assert sections == [name for name in SECTIONS if name in sections]
