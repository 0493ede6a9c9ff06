"""Whether a client that was generated from the contract is typed: `client.py FOLDER URL TOKEN`, in its environment.

Every operation that answers with JSON has to give a model, and some are called to see that it does.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import typing
from pathlib import Path

_WITHOUT_CONTENT = {
    "delete_content",
    "delete_conversation",
    "delete_document",
    "delete_faq",
    "delete_interview",
    "delete_profile",
    "delete_user",
    "get_interview_recording",  # a redirect
    "revoke_access_key",
    "select_search_result",
}


def untyped(package: str) -> set[str]:
    """The operations whose answer is neither a model nor text."""
    api = importlib.import_module(f"{package}.api")
    found = set()
    for module in pkgutil.walk_packages(api.__path__, f"{package}.api."):
        if module.ispkg:
            continue
        operation = importlib.import_module(module.name)
        (parsed,) = typing.get_args(typing.get_type_hints(operation.sync_detailed)["return"])
        kinds = {kind for kind in typing.get_args(parsed) if getattr(kind, "__name__", "") != "ProblemDocument"}
        if not kinds or any(kind is not str and not kind.__module__.startswith(f"{package}.") for kind in kinds):
            found.add(module.name.rpartition(".")[2])
    return found


def main(folder: str, url: str, token: str) -> int:
    """Check the client in `folder`; the exit status says whether it is right."""
    package = Path(folder).name
    sys.path.insert(0, str(Path(folder).parent))
    if wrong := untyped(package) - _WITHOUT_CONTENT:
        print(f"the generated client has no type for {sorted(wrong)}", file=sys.stderr)
        return 1
    models = importlib.import_module(f"{package}.models")
    with importlib.import_module(package).AuthenticatedClient(base_url=url, token=token) as client:

        def call(operation: str, *arguments: typing.Any, **named: typing.Any) -> typing.Any:
            module = importlib.import_module(f"{package}.api.{operation}")
            return module.sync(*arguments, client=client, **named)

        answers = {
            "ChatAnswer": call("chat.create_chat_completion", body=models.ChatRequest(message="What is a fjord?")),
            "Usage": call("account.get_usage"),
            "UsageHistory": call("account.get_usage_history"),
            "ConversationList": call("conversations.list_conversations"),
            "ProviderList": call("providers.list_providers"),
            "ProblemDocument": call("conversations.get_conversation", "none"),
        }
    for name, answer in answers.items():
        if type(answer).__name__ != name:
            print(f"the generated client gives {answer!r}, not a {name}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
