"""Arguments that name a workspace: any text, and a shell may ask which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: More are no help to whoever has to choose.
_MOST: Final = 200
#: Whoever presses Tab waits for this, s.
_PATIENCE_S: Final = 1.0


class WorkspaceName(click.ParamType):
    """An id, or a name that only one workspace has; completed by the ids the API knows."""

    name = "workspace"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Ids that begin so, with what each is; none where no API answers: a shell shows no errors."""
        from click.shell_completion import CompletionItem

        from schemas.errors import WstError
        from schemas.settings import load_settings
        from streams.cli.client import Api

        try:
            api = Api(load_settings(), timeout_s=_PATIENCE_S)
            found = api.get("/api/v1/workspaces", {"q": incomplete} if incomplete else {})
            api.close()
        except WstError:
            return []
        known = [state for state in found if state["workspace_id"].startswith(incomplete)]
        return [CompletionItem(state["workspace_id"], help=f"{state['status']}, {state['condition']}") for state in known[:_MOST]]


WORKSPACE: Final = WorkspaceName()
