"""Errors of the API: `application/problem+json` (RFC 9457), for programs and people alike."""

from __future__ import annotations

import logging
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import Refused, SettingError, WstError

_log: Final = logging.getLogger("wst.api")


class Problem(Exception):
    """An answer that is an error.

    Args:
        title: what kind, always the same for the same kind.
        detail: what happened here, and what to do.
        more: further members of the answer.

    Attributes:
        headers: further headers of the answer.
    """

    def __init__(self, status: int, title: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.headers: dict[str, str] = {}
        self.status = status
        self.title = title
        self.detail = detail
        self.more = more

    def response(self) -> Response:
        """The answer."""
        body = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail, **self.more}
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {"Retry-After": "1"} if self.status == 503 else {}
        return Response(orjson.dumps(body), self.status, headers | self.headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Makes every error of an app a problem."""

    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"{request.method} is not for this path: {allowed}" if allowed else "there is nothing like that here"
        problem = Problem(error.status_code, str(error.detail).lower(), detail)
        problem.headers.update(error.headers or {})
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        # Of one in a list the argument is named, not its number.
        name = next((part for part in reversed(first["loc"]) if isinstance(part, str)), "request")
        return Problem(422, "wrong argument", f"{name}: {first['msg']}").response()

    @app.exception_handler(WstError)
    async def known(_: Request, error: WstError) -> Response:
        status = 400 if isinstance(error, Refused | SettingError) else 503
        return Problem(status, "refused" if status == 400 else "out of reach", str(error)).response()

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        _log.error("a fault of ours at %s", request.url.path, exc_info=error)
        return Problem(500, "fault", f"a fault of wst itself: {type(error).__name__}; the log has more").response()
