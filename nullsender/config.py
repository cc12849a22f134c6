"""Settings: defaults, then one TOML file, then NULLSENDER_… variables, then flags. Checked at start, all mistakes at once.

A setting `section.name` of the file is the variable NULLSENDER_SECTION_NAME. A secret may stand in a file of its own, which
NULLSENDER_SECTION_NAME_FILE names: containers and systemd hand secrets over so. Only this file reads the environment.
The field descriptions below are the documentation: `nullsender doctor` prints each setting with its value and meaning.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nullsender import limits
from nullsender.address import domain_to_ascii
from nullsender.errors import Invalid, Misconfigured
from nullsender.log_kafka_settings import KafkaSettings

_PREFIX = "NULLSENDER_"
_NOTIFY_SOCKET = "NOTIFY_SOCKET"
_FILE_SUFFIX = "_FILE"
_MASKED = "********"


class Secrecy(Enum):
    """How much of a secret setting is hidden where settings are shown. Any of them may come from a file of its own."""

    WHOLE = auto()
    PASSWORDS_IN_IT = auto()


class Endpoint(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Listener(NamedTuple):
    """Where a door for mail servers listens, and the word of the view that it is for (`api/view.py`); None: any."""

    where: Endpoint | Path
    view: str | None

    def __str__(self) -> str:
        place = f"unix:{self.where}" if isinstance(self.where, Path) else str(self.where)
        return place if self.view is None else f"{place}={self.view}"


def _endpoint(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT, such as 127.0.0.1:2525 or [::1]:2525")
    return Endpoint(host.strip("[]"), int(port))


def _listener(word: str) -> Listener:
    place, equals, view = word.partition("=")
    if equals and not view:
        raise ValueError(f"{word!r} names no view behind the =: write STREAM, TENANT/STREAM, TENANT/* or *")
    kind, _, path = place.partition(":")
    if kind == "unix":
        if not path.startswith("/"):
            raise ValueError(f"{place!r} is no path: write unix:/PATH")
        if len(path.encode()) > limits.SOCKET_PATH_BYTES_MAX:
            raise ValueError(f"{place!r} is too long: the system allows {limits.SOCKET_PATH_BYTES_MAX} bytes")
        return Listener(Path(path), view or None)
    where = _endpoint(place)
    assert isinstance(where, Endpoint)
    return Listener(where, view or None)


def _listeners(value: object) -> object:
    return tuple(word if isinstance(word, Listener) else _listener(word) for word in _words(value))  # type: ignore[attr-defined]


def _words(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _domains(value: object) -> object:
    try:
        return tuple(domain_to_ascii(word.rstrip(".")) for word in _words(value))  # type: ignore[attr-defined]
    except Invalid as invalid:
        raise ValueError(invalid.reason) from invalid


def _networks(value: object) -> object:
    return tuple(ip_network(word) for word in _words(value))  # type: ignore[attr-defined]


def _options(value: object) -> object:
    """A table of a file, or NAME=VALUE pairs with commas in between, as texts by name."""
    if isinstance(value, Mapping):
        return {str(name): str(it).lower() if isinstance(it, bool) else str(it) for name, it in value.items()}
    pairs = [word.partition("=") for word in _words(value)]  # type: ignore[attr-defined]
    if any(not name or not equals for name, equals, _ in pairs):
        raise ValueError("options are NAME=VALUE pairs with commas in between (or a table)")
    return {name.strip(): it.strip() for name, _, it in pairs}


EndpointSetting = Annotated[Endpoint, BeforeValidator(_endpoint)]
DomainsSetting = Annotated[tuple[str, ...], BeforeValidator(_domains)]
NetworksSetting = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
WordsSetting = Annotated[tuple[str, ...], BeforeValidator(_words)]
OptionsSetting = Annotated[dict[str, str], BeforeValidator(_options)]
OptionalPathSetting = Annotated[Path | None, BeforeValidator(lambda value: value or None)]  # an empty variable names no folder
ListenersSetting = Annotated[tuple[Listener, ...], BeforeValidator(_listeners)]
SecretSetting = Annotated[str | None, Secrecy.WHOLE]


class Section(BaseModel):
    """What every group of settings is: frozen, and a name that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)


class MxSection(Section):
    """The inbound MX."""

    hostname: str = "localhost"
    """The name that the MX greets with; in production the one its DNS record has."""
    message_bytes_max: int = Field(default=limits.MESSAGE_BYTES_MAX, ge=64 * 1024, le=limits.RECORD_BYTES_MAX // 2)
    """The largest message that is taken, in bytes; announced as SIZE."""
    tls_certificate: Path | None = None
    """PEM file with the certificate chain; with it (and `tls_key`) STARTTLS is offered."""
    tls_key: Path | None = None
    """PEM file with the certificate's private key."""
    unknown_local_parts: Literal["refuse", "accept"] = "refuse"
    """What happens to mail for a local part that is no role address and no signed return path."""
    trusted_sources: NetworksSetting = ()
    """Networks of MTAs and feedback loops whose reports are believed (proof `source`), comma-separated CIDR."""


class ClassifySection(Section):
    """Deciding what reports mean."""

    rules: OptionalPathSetting = None
    """Rules of your own, tried before ours: a TOML file, or a folder of them (docs/rules.md). Read when a role starts."""


class LogSection(Section):
    """The log between the stages."""

    kind: Literal["embedded", "kafka"] = "embedded"
    """`embedded`: files in the data folder, one machine. `kafka`: as the section kafka says, any number of machines."""


class KafkaSection(Section):
    """Kafka, when it is the log (log.kind)."""

    servers: WordsSetting = ()
    """Where Kafka is: HOST:PORT of some of its brokers, comma-separated."""
    topic_prefix: str = Field(default="nullsender.", pattern=r"^[A-Za-z0-9._-]{0,100}$")
    """What the names of our topics and consumer groups begin with."""
    partitions: int = Field(default=limits.KAFKA_PARTITIONS, ge=1, le=1000)
    """Partitions of each topic that `migrate` makes: as many processes of one role can share its work."""
    replication: int = Field(default=limits.KAFKA_REPLICATION, ge=1, le=20)
    """Copies of each record; with one copy the loss of a disk loses what was on its way."""
    min_insync: int = Field(default=limits.KAFKA_MIN_INSYNC, ge=1, le=20)
    """How many copies must have a record before it is acknowledged."""
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How the brokers want to be spoken to: in the clear or in TLS (ssl), with a login (sasl) or without."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"] | None = None
    """How the login goes; OAUTHBEARER and GSSAPI need options as well."""
    username: str | None = None
    """Whom we log in as."""
    password: SecretSetting = None
    """The password of that user."""
    ca_file: Path | None = None
    """PEM file with the certificates to trust; without it those of the system."""
    certificate_file: Path | None = None
    """PEM file with our own certificate, where the brokers ask for one."""
    key_file: Path | None = None
    """PEM file with its private key."""
    key_password: SecretSetting = None
    """What opens that key."""
    options: Annotated[OptionsSetting, Secrecy.WHOLE] = {}
    """Further options of librdkafka, as a table or NAME=VALUE, …; those that our promises rest on are refused."""


class StoreSection(Section):
    """Where the list is kept."""

    url: Annotated[str | None, Secrecy.PASSWORDS_IN_IT] = None
    """A SQLAlchemy URL such as postgresql://user:password@host/name; without it, SQLite in the data folder."""
    connections: int = Field(default=limits.STORE_CONNECTIONS_MAX, ge=2, le=100)
    """The most connections that one process opens: with many processes, those of all fit into the server's max_connections."""
    history_days: int = Field(default=limits.HISTORY_KEPT_DAYS, ge=limits.HISTORY_KEPT_DAYS_MIN, le=36_500)
    """How long reports that changed nothing are known, and entries that have ended are explained. Most of the store's size."""


class PolicySection(Section):
    """What outcomes do to the list."""

    unproven: Literal["ignore", "provisional", "full"] = "provisional"
    """What a report does that nothing ties to mail that we sent (docs/guarantees.md, G5)."""
    provisional_days: int = Field(default=limits.PROVISIONAL_DAYS, ge=1, le=limits.PROVISIONAL_DAYS_MAX)
    """How long an entry from an unproven report lasts, in days."""
    provisional_per_source_and_hour_max: int = Field(default=limits.PROVISIONAL_PER_SOURCE_AND_HOUR_MAX, ge=0)
    """How many provisional entries one source (IP address) may make within an hour."""
    file: OptionalPathSetting = None
    """The policy file (docs/policy.md): scopes by cause, and all of this by tenant and stream. It wins over the settings."""
    soft_limit: int = Field(default=limits.SOFT_BOUNCES_MAX, ge=2, le=limits.SOFT_LIMIT_MAX)
    """How many failed sends of the recipient's own fault make an entry; some categories differ (docs/policy.md)."""
    soft_window_days: int = Field(default=limits.SOFT_WINDOW_DAYS, ge=1, le=limits.SOFT_WINDOW_DAYS_MAX)
    """How long a soft bounce counts, in days."""
    soft_lifetimes: WordsSetting = limits.SOFT_LIFETIMES
    """How long the entries from soft bounces last, one after the other: days such as 7d, at the end forever."""


class BreakerSection(Section):
    """The circuit breaker, which holds a flood of new hard entries for a review (docs/incidents.md)."""

    enabled: bool = True
    """Whether new hard entries are held when one cause, source or rule makes far more than its usual share."""
    hour_min: int = Field(default=limits.BREAKER_HOUR_MIN, ge=1)
    """How many new hard entries an hour of one cause, source or rule nobody has to look at."""
    times: int = Field(default=limits.BREAKER_TIMES, ge=2, le=1000)
    """How many times its usual busiest hour one cause, source or rule has to make before its entries are held."""
    review_days: int = Field(default=limits.BREAKER_REVIEW_DAYS, ge=1, le=365)
    """After how many days it is said louder that reports are held still."""


class LookupSection(Section):
    """Pre-send lookups."""

    staleness_seconds_max: float = Field(default=limits.LOOKUP_STALENESS_SECONDS_MAX, gt=0, le=60)
    """How old the table in memory may be; past it lookups ask the store itself."""
    allow_unknown: WordsSetting = ()
    """Streams whose mail goes when nobody can tell: STREAM, TENANT/STREAM, TENANT/*. Some of it reaches people on the list."""


class ApiSection(Section):
    """The HTTP API."""

    rate: int = Field(default=limits.API_RATE_PER_SECOND, ge=0, le=limits.API_RATE_PER_SECOND_MAX)
    """Addresses a second that a key may ask about, unless it carries a rate of its own (`keys create --rate`); 0: no limit."""


class ExportsSection(Section):
    """Files that leave the system (docs/exports.md)."""

    days: int = Field(default=limits.EXPORT_KEPT_DAYS, ge=1, le=366)
    """How long the file of an export that the API was asked for can be fetched, in days; then it is removed."""
    folder: OptionalPathSetting = None
    """Where they lie (default: `exports` in the data folder). Several machines share it: `jobs` writes there, `api` reads."""


class ImportsSection(Section):
    """Lists of other systems (docs/imports.md)."""

    days: int = Field(default=limits.IMPORT_KEPT_DAYS, ge=1, le=366)
    """How long the refused rows of an import that came over the API can be fetched, in days; then they are removed."""
    folder: OptionalPathSetting = None
    """Where lists lie until they are taken (default: `imports` in the data folder). `api` writes there, `jobs` reads."""


class PrivacySection(Section):
    """How long what names people is kept (docs/privacy.md has all of it; `store.history_days` is a part of it)."""

    plain_address_days: int = Field(default=limits.PLAIN_ADDRESSES_KEPT_DAYS, ge=1, le=36_500)
    """How long a plain address is kept after the last entry of it ended, in days."""
    unsubscribe_source_days: int = Field(default=limits.UNSUBSCRIBE_SOURCES_KEPT_DAYS, ge=1, le=36_500)
    """How long the IP address and the browser of somebody who unsubscribed are kept, in days."""
    audit_words_days: int = Field(default=limits.AUDIT_WORDS_KEPT_DAYS, ge=1, le=36_500)
    """How long the reasons that people gave for what they did are kept in the audit trail, in days."""


class UnsubscribeSection(Section):
    """Unsubscribe links and what the law wants of them (docs/unsubscribes.md)."""

    url: str = Field(default="https://localhost", pattern=r"^https://[^\s<>?#]{1,200}$")
    """Under which address the API is reached from outside: what links in mail begin with, such as https://news.example.com."""
    mailto: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,255}$")
    """The address of the MX for mail programs without a button; without it unsubscribe@ the first of `domains`."""
    name: OptionsSetting = {}
    """What the sender is called on the page: TENANT=NAME, …, or a table; `*` for all other tenants."""
    jurisdictions: OptionsSetting = {}
    """Whose limits hold: TENANT=us ca, …; `*` for all others. us, ca, au, eu, uk, providers, house; the strictest counts."""
    proxies: NetworksSetting = ()
    """Networks of reverse proxies in front of the API, whose X-Forwarded-For is believed; comma-separated CIDR."""
    rate: float = Field(default=limits.UNSUBSCRIBE_REQUESTS_PER_SECOND, ge=0, le=10_000)
    """Requests a second that one network may send to unsubscribe links; 0: no limit."""


class DoorsSection(Section):
    """Doors for mail servers (docs/doors.md): HOST:PORT or unix:/PATH, comma-separated, each with =VIEW where it is for one."""

    socketmap: ListenersSetting = ()
    """Where Postfix (socketmap) asks: HOST:PORT or unix:/PATH, comma-separated, each with =VIEW where it is for one view."""
    tcp_table: ListenersSetting = ()
    """Where Postfix (tcp_table) asks."""
    policy: ListenersSetting = ()
    """Where Postfix (policy delegation) asks."""
    readsocket: ListenersSetting = ()
    """Where Exim (readsocket) asks."""
    milter: ListenersSetting = ()
    """Where Postfix and Sendmail (milter) ask."""
    dns: ListenersSetting = ()
    """Where filters ask the zone `doors.dns_zone` (rspamd, SpamAssassin), over UDP and TCP: HOST:PORT."""
    dns_zone: str | None = None
    """The name of the zone, such as blocked.example.internal."""
    dns_hash: Literal["sha1", "md5", "sha256"] = "sha1"
    """How filters hash an address: SHA-1 or MD5 in hexadecimal digits, or SHA-256 in Base32."""
    files: OptionsSetting = {}
    """Files of suppressed addresses for servers that can not ask (PowerMTA): VIEW=/PATH, comma-separated or as a table."""
    files_seconds: int = Field(default=limits.FILES_SECONDS, ge=1, le=86_400)
    """How often those files are written at most, in seconds."""
    files_command: str | None = None
    """What is run when one of them was written, such as `pmta reload`. No shell reads it."""
    sasl_views: OptionsSetting = {}
    """The view of each sasl_username that policy delegation and milter tell of, as a table or NAME=VIEW, …"""
    text: str | None = Field(default=None, pattern=rf"^[ -~]{{1,{limits.DOOR_TEXT_CHARACTERS_MAX}}}$")
    """What a refused sender reads instead of our sentence; {cause} stands for why the recipient is on the list. Plain ASCII."""
    shadow: bool = False
    """A trial run: nothing is refused, but marked or logged."""
    socket_mode: str = Field(default="0666", pattern=r"^0?[0-7]{3}$")
    """The permissions of sockets with a path, in octal. Whoever can write to one may ask."""

    def listeners(self) -> Iterator[tuple[str, Listener]]:
        """Every listener with the name of its door."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, tuple):
                yield from ((name, listener) for listener in value)

    @property
    def is_open(self) -> bool:
        """Whether there is any."""
        return any(self.listeners()) or bool(self.files)


class UpSection(Section):
    """How many processes `nullsender up` starts of a role, so that one machine uses its cores."""

    classify: int = Field(default=1, ge=1, le=limits.UP_PROCESSES_MAX)
    """Processes that decide reports; more than the log has partitions have nothing to do."""
    suppress: int = Field(default=1, ge=1, le=limits.UP_PROCESSES_MAX)
    """Processes that change the list; they take turns in the store."""
    jobs: int = Field(default=1, ge=1, le=limits.UP_PROCESSES_MAX)
    """Processes that do exports, imports and other long work, each one job at a time."""
    api: int = Field(default=1, ge=1, le=limits.UP_PROCESSES_MAX)
    """Processes that serve the API on one port (also without `up`); each gives its share of every key's rate."""


class Settings(Section):
    """All settings of one node."""

    data: Path = Path("data")
    """The folder that holds the log, the list, the lookup table and the secret keys."""
    smtp: EndpointSetting = Endpoint("127.0.0.1", 2525)
    """HOST:PORT of the MX."""
    http: EndpointSetting = Endpoint("127.0.0.1", 8080)
    """HOST:PORT of the API."""
    domains: DomainsSetting = ("bounces.localhost",)
    """The domains that the MX takes mail for, comma-separated."""
    bootstrap_key: SecretSetting = Field(default=None, min_length=1)
    """An API key with every scope for the first start; without it the first start makes one and prints it once."""
    metrics: EndpointSetting | None = None
    """HOST:PORT where a role that stands alone shows its numbers; all under `up`, and those of `api`: the API's /metrics."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged."""
    mx: MxSection = MxSection()
    classify: ClassifySection = ClassifySection()
    log: LogSection = LogSection()
    kafka: KafkaSection = KafkaSection()
    store: StoreSection = StoreSection()
    policy: PolicySection = PolicySection()
    breaker: BreakerSection = BreakerSection()
    lookup: LookupSection = LookupSection()
    api: ApiSection = ApiSection()
    exports: ExportsSection = ExportsSection()
    imports: ImportsSection = ImportsSection()
    privacy: PrivacySection = PrivacySection()
    doors: DoorsSection = DoorsSection()
    unsubscribe: UnsubscribeSection = UnsubscribeSection()
    up: UpSection = UpSection()

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL that is used."""
        return self.store.url or f"sqlite:///{(self.data / 'nullsender.sqlite').absolute()}"

    @property
    def unsubscribe_mailto(self) -> str:
        """The address that unsubscribe mail goes to."""
        return self.unsubscribe.mailto or f"unsubscribe@{self.domains[0]}"

    @property
    def kafka_settings(self) -> KafkaSettings:
        """How Kafka is reached."""
        return KafkaSettings(**self.kafka.model_dump())

    @property
    def sqlite_file(self) -> Path | None:
        """The file of the list, where the settings name no database."""
        return None if self.store.url else self.data / "nullsender.sqlite"

    @property
    def is_shared(self) -> bool:
        """Whether other machines may have a part in this installation."""
        return self.log.kind != "embedded" or self.store.url is not None

    @property
    def log_folder(self) -> Path:
        """Where the embedded log lies."""
        return self.data / "log"

    @property
    def index_folder(self) -> Path:
        """Where the lookup table lies."""
        return self.data / "index"

    @property
    def exports_folder(self) -> Path:
        """Where exports that the API was asked for lie."""
        return self.exports.folder or self.data / "exports"

    @property
    def imports_folder(self) -> Path:
        """Where lists lie that were sent to the API."""
        return self.imports.folder or self.data / "imports"

    @property
    def secrets_file(self) -> Path:
        """Where the secret keys lie."""
        return self.data / "secret-keys.json"

    @property
    def health_folder(self) -> Path:
        """Where every role of this machine says that it lives."""
        return self.data / "health"

    @property
    def in_hand_folder(self) -> Path:
        """Where consumers note what they have in hand."""
        return self.data / "in-hand"

    @property
    def metrics_folder(self) -> Path:
        """Where the roles put their numbers; emptied at every start of `nullsender up`."""
        return self.data / "metrics"


class Shown(NamedTuple):
    """One setting as `doctor` prints it."""

    name: str
    value: str
    meaning: str


def load(
    flags: Mapping[str, str] | None = None, *, file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings in force. `flags` maps dotted names to text; `file` defaults to what NULLSENDER_CONFIG names.

    Raises `Misconfigured` with every mistake, each with its place and what is allowed there.
    """
    environment = os.environ if environment is None else environment
    file = file or (Path(environment["NULLSENDER_CONFIG"]) if environment.get("NULLSENDER_CONFIG") else None)
    merged: dict[str, Any] = _read(file) if file else {}
    mistakes = []
    for name, secrecy, _ in _fields(Settings):
        variable = variable_of(name)
        if secrecy and variable + _FILE_SUFFIX in environment:
            try:
                _put(merged, name, _secret_of(variable, environment))
            except Misconfigured as mistake:
                mistakes.append(f"{name}: {mistake}")
        elif variable in environment:
            _put(merged, name, environment[variable])
    for name, text in (flags or {}).items():
        _put(merged, name, text)
    return _checked(merged, mistakes)


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Variables that look like ours and are none: a slip of the pen, or another program's (Kubernetes makes such)."""
    known = {_PREFIX + "CONFIG"}
    for name, secrecy, _ in _fields(Settings):
        known |= {variable_of(name)} | ({variable_of(name) + _FILE_SUFFIX} if secrecy else set())
    environment = os.environ if environment is None else environment
    return sorted(variable for variable in environment if variable.startswith(_PREFIX) and variable not in known)


def variable_of(name: str) -> str:
    """The environment variable of a setting: `store.url` is NULLSENDER_STORE_URL."""
    return _PREFIX + name.replace(".", "_").upper()


def environment_for(settings: Settings, file: Path | None) -> dict[str, str]:
    """The environment for the roles that this process starts: what flags said reaches them as variables."""
    told = {
        "NULLSENDER_DATA": str(settings.data),
        "NULLSENDER_SMTP": str(settings.smtp),
        "NULLSENDER_HTTP": str(settings.http),
    }
    if file is not None:
        told["NULLSENDER_CONFIG"] = str(file.absolute())
    ours = {name: value for name, value in os.environ.items() if name != _NOTIFY_SOCKET}  # systemd asks this process alone
    return ours | told


def notify_socket() -> str | None:
    """Where systemd wants to be told how this process is, if it does."""
    return os.environ.get(_NOTIFY_SOCKET)


def wants_colour() -> bool:
    """Whether the person at the terminal has not asked for words without colour (no-color.org; a `dumb` terminal has none)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def share_metrics(folder: Path) -> None:
    """Let this process and those that it starts put their numbers into one folder (a variable of the metrics library)."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def shown(settings: Settings) -> list[Shown]:
    """Every setting with its value (secrets masked) and meaning, in the order of this file."""
    rows = []
    for name, secrecy, meaning in _fields(Settings):
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        if isinstance(value, tuple) and not isinstance(value, Endpoint):
            value = ", ".join(map(str, value))
        text = "" if value is None else str(value)
        masked = _MASKED if secrecy is Secrecy.WHOLE and text else _without_password(text)
        rows.append(Shown(name, masked, meaning))
    return rows


def _without_password(text: str) -> str:
    """A URL without the passwords in it, wherever they stand; any other text as it is."""
    scheme, slashes, rest = text.partition("://")
    if not slashes:
        return text
    place, question, query = rest.partition("?")
    user, at, host = place.rpartition("@")
    name, colon, _ = user.partition(":")
    fields = [field.partition("=") for field in query.split("&")]
    masked = "&".join(
        f"{key}={_MASKED}" if "password" in key.lower() else f"{key}{equals}{value}" for key, equals, value in fields
    )
    return f"{scheme}://{name}{colon and ':' + _MASKED}{at}{host}{question}{masked}"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"the configuration file {file} can not be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the configuration file {file} is not TOML: {error}") from error


def _secret_of(variable: str, environment: Mapping[str, str]) -> str:
    """What stands in the file that `variable`_FILE names, without the line end that editors leave."""
    file_variable = variable + _FILE_SUFFIX
    if variable in environment:
        raise Misconfigured(f"{variable} and {file_variable} are both given: take one away")
    file = environment[file_variable]
    try:
        with open(file, encoding="utf-8", newline="") as opened:
            secret = opened.read().rstrip("\r\n")
    except OSError as error:
        raise Misconfigured(f"the file {file!r} that {file_variable} names can not be read: {error.strerror}") from error
    except ValueError as error:
        raise Misconfigured(f"the file {file!r} that {file_variable} names holds no text in UTF-8") from error
    if not secret:
        raise Misconfigured(f"the file {file!r} that {file_variable} names is empty")
    return secret


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Secrecy | None, str]]:
    """Every setting with how secret it is, and its meaning."""
    for name, field in model.model_fields.items():
        section = next((t for t in (field.annotation, *get_args(field.annotation)) if _is_section(t)), None)
        if section is not None:
            yield from _fields(section, f"{prefix}{name}.")
        else:
            secrecy = next((word for word in field.metadata if isinstance(word, Secrecy)), None)
            yield f"{prefix}{name}", secrecy, field.description or ""


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _put(target: dict[str, Any], name: str, value: object) -> None:
    *sections, last = name.split(".")
    for section in sections:
        inner = target.setdefault(section, {})
        if not isinstance(inner, dict):
            return  # the file has a value where a section belongs, of which the check will tell
        target = inner
    target[last] = value


def _checked(merged: Mapping[str, Any], mistakes: Sequence[str]) -> Settings:
    """What was put together, if it can be used; `mistakes` were made on the way and are told with all others."""
    try:
        settings = Settings.model_validate(dict(merged))
    except ValidationError as error:
        mistakes = [
            *mistakes,
            *(f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()),
        ]
    else:
        mistakes = mistakes or _contradictions(settings)
        if not mistakes:
            return settings
    raise Misconfigured("the settings can not be used:\n" + "\n".join(f"  {m}" for m in mistakes))


def _contradictions(settings: Settings) -> list[str]:
    mistakes = []
    if (settings.mx.tls_certificate is None) != (settings.mx.tls_key is None):
        mistakes.append("mx.tls_certificate and mx.tls_key: STARTTLS needs both or neither")
    mistakes += [
        f"mx: {path} can not be read"
        for path in (settings.mx.tls_certificate, settings.mx.tls_key)
        if path is not None and not os.access(path, os.R_OK)
    ]
    if settings.log.kind == "kafka":
        mistakes += settings.kafka_settings.mistakes()
    if not settings.domains:
        mistakes.append("domains: the MX needs at least one domain to take mail for")
    return mistakes
