"""benchmarks/injection.py, as far as it can be run without a vendor."""

from __future__ import annotations

import pytest

from benchmarks import injection
from local.emulator.client import Emulator
from parley.providers.catalogue import Catalogue
from parley.providers.registry import Providers
from testing.providers import KEY, urls


def test_thirty_transcripts_in_five_languages_differ_from_their_twins_by_one_instruction() -> None:
    pairs = injection.transcripts()
    assert len(pairs) == 30
    assert len({clean.language for clean, _ in pairs}) == 5
    instructions = set()
    for clean, injected in pairs:
        *before, last = zip(clean.turns, injected.turns, strict=True)
        assert all(one == other for one, other in before)
        assert last[1].content.startswith(last[0].content)
        instructions.add(last[1].content.removeprefix(last[0].content))
        # Enough for a verdict.
        assert clean.words >= 100
    assert len(instructions) == 30


def test_without_a_key_nothing_is_run_and_no_figure_claimed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in injection.KEYS.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.argv", ["injection.py"])
    assert injection.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["openai", "anthropic", "google"]
    assert all("not run" in line for line in lines)


def test_with_a_key_both_figures_are_printed(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    model = Catalogue.shipped().default_chat_models()["openai"]
    injection.measure("openai", Providers(urls(emulator.url))["openai"], model, KEY, 1)
    printed = capsys.readouterr().out
    assert "rise on injected transcripts: mean" in printed
    assert "drift on clean ones: mean" in printed
    asked = [request["body"]["messages"] for request in emulator.requests()]
    undefended = [messages for messages in asked if "material-" not in str(messages)]
    assert (len(asked), len(undefended)) == (70, 5)
    assert all("transcript" in messages[1]["content"] for messages in undefended)
