"""`tocsin user`: who works here, entered at the command line of the server; may run beside it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tocsin.base.errors import ErrorCode, TocsinError
from tocsin.domain.access import Actor, Role
from tocsin.folder import prepare_folder

if TYPE_CHECKING:  # what takes long to load is loaded when somebody sits down at the desk
    from tocsin.domain.people import User
    from tocsin.domain.place_service import PlaceService
    from tocsin.domain.places import Jurisdiction
    from tocsin.domain.users import UserService
    from tocsin.settings import Settings

Rows = list[dict[str, object]]


class UserDesk:
    """The use cases of users, for somebody at the server's own command line."""

    def __init__(self, users: UserService, places: PlaceService, actor: Actor) -> None:
        self._users = users
        self._places = places
        self._actor = actor

    async def add(self, username: str, name: str, roles: list[str], codes: list[str], password: str) -> User:
        """Enter a user. Errors: INVALID, CONFLICT."""
        given = {
            "username": username,
            "name": name or username,
            "roles": roles,
            "jurisdiction_ids": [(await self._jurisdiction(code)).id for code in codes],
        }
        return await self._users.create(given, password, actor=self._actor)

    async def add_jurisdiction(self, code: str, name: str) -> Jurisdiction:
        """Enter a jurisdiction below the one its code begins with. Errors: INVALID, CONFLICT."""
        nodes = await self._places.jurisdictions(self._actor)
        above = [node for node in nodes if code.startswith(node.code) and node.code != code]
        parent = max(above, key=lambda node: len(node.code), default=None)
        level = ("city", "county", "township")[min((len(code) > 4) + (len(code) > 6), 2)]
        given = {"code": code, "name": name, "level": level, "parent_id": None if parent is None else parent.id}
        return await self._places.create_jurisdiction(given, actor=self._actor)

    async def rows(self) -> Rows:
        """Return every user with the codes of the jurisdictions."""
        codes = {node.id: node.code for node in await self._places.jurisdictions(self._actor)}
        rows: Rows = []
        after: str | None = ""
        while after is not None:
            page = await self._users.users(self._actor, after=after, limit=1000)
            for user in page.items:
                seen = user.last_seen_at
                rows.append(
                    {
                        "username": user.username,
                        "name": user.name,
                        "roles": list(user.roles),
                        "jurisdictions": [codes.get(node, node) for node in user.jurisdiction_ids],
                        "state": "disabled" if user.is_disabled else "active",
                        "last_seen": None if seen is None else f"{seen:%Y-%m-%d %H:%M} UTC",
                    }
                )
            after = page.next
        return sorted(rows, key=lambda row: str(row["username"]))

    async def disable(self, username: str) -> None:
        """Let a user in no more. Errors: NOT_FOUND, CONFLICT for the last administrator."""
        user = await self._find(username)
        await self._users.change(user.id, {"disabled": True}, actor=self._actor, version=user.version)

    async def set_password(self, username: str, password: str) -> None:
        """Set a password and end the user's sessions. Errors: NOT_FOUND, INVALID."""
        await self._users.set_password((await self._find(username)).id, password, actor=self._actor)

    async def make_token(self, username: str, label: str, days: float) -> str:
        """Return a new bearer token. Errors: NOT_FOUND, INVALID."""
        user = await self._find(username)
        return (await self._users.make_token(user.id, actor=self._actor, label=label, days=days)).token

    async def _find(self, username: str) -> User:
        page = await self._users.users(self._actor, text=username, limit=1000)
        for user in page.items:
            if user.username == username.strip().casefold():
                return user
        raise TocsinError(ErrorCode.NOT_FOUND, f"no user {username}")

    async def _jurisdiction(self, code: str) -> Jurisdiction:
        nodes = await self._places.jurisdictions(self._actor)
        for node in nodes:
            if node.code == code:
                return node
        known = ", ".join(node.code for node in nodes) or "none yet: make one with --new-jurisdiction"
        raise TocsinError(ErrorCode.INVALID, f"no jurisdiction {code}; there are {known}")


def at_the_desk(settings: Settings, work: Callable[[UserDesk], Awaitable[Any]]) -> Any:
    """Open the store, do the work, close it."""
    from tocsin.base.clock import SystemClock
    from tocsin.domain.acts import house_actor
    from tocsin.domain.place_service import PlaceService
    from tocsin.domain.users import UserService
    from tocsin.stores import open_store

    async def _work() -> Any:
        async with open_store(settings) as store:
            clock = SystemClock()
            users = UserService(store, clock, session_hours=settings.server.session_hours)
            return await work(UserDesk(users, PlaceService(store, clock), house_actor(getpass.getuser())))

    prepare_folder(settings.data)
    return asyncio.run(_work())


def ask_password(username: str, *, from_input: bool) -> str:
    """Return a password typed twice at the terminal, or the first line of standard input. Errors: INVALID."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise TocsinError(ErrorCode.INVALID, "no terminal to ask for the password: give it with --password-stdin")
    password = getpass.getpass(f"password for {username}: ")
    if getpass.getpass("again: ") != password:
        raise TocsinError(ErrorCode.INVALID, "the two passwords differ")
    return password


def add_arguments(
    actions: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    add_json: Callable[[argparse.ArgumentParser], None],
    read: Callable[[argparse.Namespace], Settings],
    show: Callable[..., None],
) -> None:
    """Add add, list, disable, password and token to `tocsin user`."""

    def _action(name: str, help_: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(name, help=help_)
        add_settings(parser)
        parser.set_defaults(run=run)
        return parser

    def _add(arguments: argparse.Namespace) -> int:
        code, _, title = (arguments.new_jurisdiction or "").partition(" ")
        codes = arguments.jurisdiction or ([code] if code else [])
        if not codes:
            raise TocsinError(ErrorCode.INVALID, "say where the user works: --jurisdiction CODE")
        password = ask_password(arguments.username, from_input=arguments.password_stdin)

        async def _work(desk: UserDesk) -> None:
            if code:
                await desk.add_jurisdiction(code, title.strip() or code)
            await desk.add(arguments.username, arguments.name, arguments.role, codes, password)

        at_the_desk(read(arguments), _work)
        print(f"added {arguments.username}")
        return 0

    def _list(arguments: argparse.Namespace) -> int:
        rows = at_the_desk(read(arguments), lambda desk: desk.rows())
        show(rows, ("username", "name", "roles", "jurisdictions", "state", "last_seen"), as_json=arguments.json)
        return 0

    def _disable(arguments: argparse.Namespace) -> int:
        at_the_desk(read(arguments), lambda desk: desk.disable(arguments.username))
        print(f"disabled {arguments.username}; every session has ended")
        return 0

    def _password(arguments: argparse.Namespace) -> int:
        password = ask_password(arguments.username, from_input=arguments.password_stdin)
        at_the_desk(read(arguments), lambda desk: desk.set_password(arguments.username, password))
        print(f"new password for {arguments.username}; every session has ended")
        return 0

    def _token(arguments: argparse.Namespace) -> int:
        token = at_the_desk(
            read(arguments), lambda desk: desk.make_token(arguments.username, arguments.label, arguments.days)
        )
        if sys.stdout.isatty():
            print("This is shown once:", file=sys.stderr)
        print(token)
        return 0

    parser = _action("add", "enter a user; asks for the password", _add)
    parser.add_argument("username")
    parser.add_argument("--name", default="", help="as colleagues know the user (default: the user name)")
    parser.add_argument("--role", action="append", required=True, choices=[role.value for role in Role])
    parser.add_argument("--jurisdiction", action="append", metavar="CODE", help="division code; may be repeated")
    parser.add_argument("--new-jurisdiction", metavar="'CODE NAME'", help="make this jurisdiction first")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    add_json(_action("list", "list the users", _list))
    _action("disable", "end all sessions and let the user in no more", _disable).add_argument("username")
    parser = _action("password", "set a password; ends the user's sessions", _password)
    parser.add_argument("username")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    parser = _action("token", "make a bearer token for a program; it is shown once", _token)
    parser.add_argument("username")
    parser.add_argument("--label", default="", help="what it is for")
    parser.add_argument("--days", type=float, default=365.0, help="how long it is good (default: 365)")
