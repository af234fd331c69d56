"""What is said to a service and what it answers: requests and responses without any transport.

A provider is a generator that yields :class:`Request` and receives :class:`Response`; who sends them, waits,
tries again and keeps a copy is the business of one driver. So every provider can be tested on saved bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Auth", "Request", "Response", "Secret"]


class Secret:
    """A key or token that does not show itself: not in ``repr``, not in messages, not in a pickle.

    Examples
    --------
    >>> Secret("abc")
    Secret(***)
    >>> f"{Secret('abc')}"
    '***'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself; only the driver asks, when it sends."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """How a request proves who asks.

    Attributes
    ----------
    kind : {"header", "query", "bearer", "basic"}
        In a header or query parameter called `name`, as ``Authorization: Bearer``, or as user and password.
    key : str
        Name of the key among the provider's `keys`; the driver puts the secret in. Empty when `token` is given.
    name : str
        Header or parameter, for those kinds.
    token : Secret or None
        A token the service gave in an earlier response of the same conversation.
    """

    kind: Literal["header", "query", "bearer", "basic"]
    key: str = ""
    name: str = ""
    token: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a service.

    Attributes
    ----------
    url : str
        Without query and without secrets.
    params : tuple of (name, value)
        Query parameters, in order, unquoted.
    headers : tuple of (name, value)
    auth : Auth or None
    method : {"GET", "POST"}
    body : bytes
    accept : tuple of int
        Statuses besides 200 that the provider understands; any other is the driver's to translate.
    volatile : bool
        Whether the answer changes without notice (latest, forecast): such answers are kept apart by when they
        were fetched.
    """

    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    auth: Auth | None = None
    method: Literal["GET", "POST"] = "GET"
    body: bytes = b""
    accept: tuple[int, ...] = ()
    volatile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back.

    Attributes
    ----------
    status : int
    body : bytes
    headers : mapping of str to str
        Names in lower case.
    fetched_ns : int
        When it was received [ns since 1970 UTC].
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    fetched_ns: int
