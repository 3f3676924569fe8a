"""Recordings without secrets: every password and key is exchanged for a digest, in the settings and in the packets.
So are the arguments of scripts, where people put passwords as well.

A digest depends on a salt that nobody keeps, so it cannot be guessed back. But equal secrets have equal digests, and a
packet that its secret had vouched for is signed anew with the digest. So a router with disguised settings judges
disguised packets just as the real one judged the real ones, and the recording can be replayed.
"""

from __future__ import annotations

from dataclasses import fields, replace
from hmac import compare_digest, digest
from typing import Any, TypeVar

from hakeep.config.settled import Fifo, Global, Notify, Script, Settings, VrrpInstance
from hakeep.vrrp.messages import Event, Received, Reloaded
from hakeep.wire import Malformed, ah, auth_hmac, ip, vrrp

_PASSWORD_LENGTH = 8

#: Shorter passwords are hidden where they should stand only: anywhere else such few bytes mean something else.
_TELLING = 4

_Scripts = TypeVar("_Scripts", Global, Notify, Fifo)


class Disguise:
    """Takes the secrets out of settings and events. `salt` is random bytes, to be forgotten afterwards.

    Events are to be given in their order: a `Reloaded` says which secrets count from then on.
    """

    def __init__(self, salt: bytes) -> None:
        self._salt = salt
        self._instances: dict[tuple[int, int], list[VrrpInstance]] = {}
        self._passwords: set[bytes] = set()

    def settings(self, settings: Settings) -> Settings:
        """The same settings with digests for secrets."""
        self._instances = {}
        for instance in settings.vrrp:
            self._instances.setdefault((instance.family, instance.virtual_router_id), []).append(instance)
            self._passwords.add(instance.auth_pass.rstrip(b"\0"))
        return replace(settings, globals=self._globals(settings.globals), vrrp=tuple(map(self.instance, settings.vrrp)))

    def instance(self, instance: VrrpInstance) -> VrrpInstance:
        """The same instance with digests for secrets."""
        instance = replace(instance, notify=self._scripts(instance.notify))
        if instance.auth_pass:
            instance = replace(instance, auth_pass=self._password(instance.auth_pass))
        if instance.auth_hmac is not None:
            keys = tuple((number, self._key(key)) for number, key in instance.auth_hmac.keys)
            instance = replace(instance, auth_hmac=replace(instance.auth_hmac, keys=keys))
        return instance

    def event(self, event: Event) -> Event:
        """The same event with digests for secrets."""
        if isinstance(event, Reloaded):
            return Reloaded(self.settings(event.settings))
        if isinstance(event, Received):
            return event._replace(data=self._without_passwords(self._packet(event)))
        return event

    def _globals(self, settings: Global) -> Global:
        """The password of the mail relay and what stands for one on the web are of no use for a replay."""
        return replace(self._scripts(settings), smtp_login=(), notify_webhook="", notify_webhook_secret="")

    def _scripts(self, settings: _Scripts) -> _Scripts:
        """What names scripts, with their arguments hidden. Other arguments are other digests, so changes are seen."""
        hidden: dict[str, Any] = {}
        for field in fields(settings):
            value = getattr(settings, field.name)
            if isinstance(value, Script):
                hidden[field.name] = self._script(value)
            elif isinstance(value, Fifo):
                hidden[field.name] = self._scripts(value)
        return replace(settings, **hidden)

    def _script(self, script: Script) -> Script:
        return replace(script, argv=(*script.argv[:1], *map(self._argument, script.argv[1:])))

    def _argument(self, argument: str) -> str:
        return "#" + digest(self._salt, argument.encode(errors="surrogateescape"), "sha256").hex()[:12]

    def _password(self, password: bytes) -> bytes:
        """Of 8 bytes; no password stays none."""
        padded = password[:_PASSWORD_LENGTH].ljust(_PASSWORD_LENGTH, b"\0")
        return digest(self._salt, padded, "sha256")[:_PASSWORD_LENGTH] if any(padded) else padded

    def _without_passwords(self, data: bytes) -> bytes:
        """A packet that is not built as it should be can hold a password anywhere."""
        for password in self._passwords:
            if len(password) >= _TELLING and password in data:
                data = data.replace(password, self._password(password)[: len(password)])
        return data

    def _key(self, key: bytes) -> bytes:
        return digest(self._salt, key, "sha256")

    def _packet(self, received: Received) -> bytes:
        data = received.data
        try:
            if len(received.source) == 16:
                return self._trailer(received, data, 0, 6)
            header = ip.decode_ipv4(data)
            if header.protocol == ip.AH:
                return self._ah(data, header)
            return self._trailer(received, self._clear_text(data, header.length), header.length, 4)
        except (Malformed, IndexError):
            return data

    def _clear_text(self, data: bytes, start: int) -> bytes:
        """PASS: the password itself stands in the packet, and in its checksum. Also in packets that are not for us."""
        version, auth_type, count = data[start] >> 4, data[start + 4], data[start + 3]
        end = start + vrrp.length(version, 4, count) if version == 2 else 0
        if auth_type != vrrp.PASS or not start < end <= len(data):
            return data
        pdu = data[start:end]
        disguised = pdu[:-_PASSWORD_LENGTH] + self._password(pdu[-_PASSWORD_LENGTH:])
        if vrrp.adds_up(pdu):
            disguised = vrrp.sealed(disguised[:6] + b"\0\0" + disguised[8:])
        return data[:start] + disguised + data[end:]

    def _ah(self, data: bytes, header: ip.IPv4Header) -> bytes:
        start = header.length
        found = ah.decode(data[start:])
        for instance in self._instances.get((4, data[start + ah.LENGTH + 1]), ()):
            key = instance.auth_pass[:_PASSWORD_LENGTH].ljust(_PASSWORD_LENGTH, b"\0")
            covered = ah.covered(data, start, instance.unicast)
            if instance.auth_type == "AH" and compare_digest(ah.icv(key, covered), found.icv):
                code_at = start + ah.LENGTH - ah.ICV_LENGTH
                code = ah.icv(self._password(key), covered)
                return data[:code_at] + code + data[code_at + ah.ICV_LENGTH :]
        return data

    def _trailer(self, received: Received, data: bytes, start: int, family: int) -> bytes:
        count, version, vrid = data[start + 3], data[start] >> 4, data[start + 1]
        end = start + vrrp.length(version, family, count)
        if len(data) != end + auth_hmac.LENGTH:
            return data
        pdu, trailer = data[start:end], data[end:]
        covered = auth_hmac.covered(received.source, pdu, trailer)
        found = auth_hmac.decode(trailer)
        for instance in self._instances.get((family, vrid), ()):
            key = dict(instance.auth_hmac.keys).get(found.key_id) if instance.auth_hmac is not None else None
            if key is not None and compare_digest(auth_hmac.code(key, covered), found.code):
                return data[: -auth_hmac.CODE_LENGTH] + auth_hmac.code(self._key(key), covered)
        return data
