"""What commands are put together from: settings, keys and log, each opened in one way (the store: `store_parts.py`)."""

import argparse
from typing import TYPE_CHECKING

from nullsender import config, secret_keys
from nullsender.address import AddressHasher
from nullsender.clock import SystemClock
from nullsender.config import Settings
from nullsender.errors import Invalid, Misconfigured
from nullsender.log import Log, Topic
from nullsender.secret_keys import SecretKeys
from suppression.policy import Policy, PolicySettings
from suppression.policy.settings import lifetimes_of

if TYPE_CHECKING:
    from suppression.exports.signing import DocumentSigner

#: The one place where the real time comes in.
CLOCK = SystemClock()

#: Which group reads what; the log keeps it for them before they have ever read. Said here once more than in the stages, so that
#: a role does not load the others' libraries for two names; a test holds them together.
READERS = {
    "classify": (Topic.BOUNCES, Topic.COMPLAINTS, Topic.UNSUBSCRIBES),
    "suppress": (Topic.OUTCOMES, Topic.URGENT_OUTCOMES),
}


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings in force for this call: its flags over variables, file and defaults."""
    given = {name: getattr(arguments, name, None) for name in ("data", "smtp", "http")}
    return config.load({name: value for name, value in given.items() if value is not None}, file=arguments.config)


def policy_of(settings: Settings) -> Policy:
    """The policy as the operator set it: the settings, and over them the policy file; `Misconfigured` says what is wrong."""
    default = default_policy_of(settings)
    if settings.policy.file is None:
        return Policy(default)
    from nullsender.cli.policing.file import read_file  # the stages that know no list are spared it

    return read_file(settings.policy.file, default)


def default_policy_of(settings: Settings) -> PolicySettings:
    """What holds where the policy file says nothing else."""
    set_here = settings.policy.model_dump(exclude={"file", "soft_lifetimes"})
    try:
        return PolicySettings(**set_here, soft_lifetimes=lifetimes_of(settings.policy.soft_lifetimes))
    except Invalid as mistake:
        raise Misconfigured(f"policy.soft_lifetimes: {mistake}") from mistake


def open_log(settings: Settings) -> Log:
    """The log between the stages. Only the library of the one that is used is loaded."""
    if settings.log.kind == "kafka":
        from nullsender.log_kafka import KafkaLog

        return KafkaLog(settings.kafka_settings, clock=CLOCK)
    from nullsender.log_embedded import EmbeddedLog

    return EmbeddedLog(settings.log_folder, clock=CLOCK, readers=READERS)


def open_log_to_look(settings: Settings) -> Log:
    """The same for a command that only looks: `Invalid` where no log was begun, for to open it would be to make it."""
    if settings.log.kind == "embedded" and not settings.log_folder.exists():
        raise Invalid(f"there is no log in {settings.data} yet (--data DIR says where it is)")
    return open_log(settings)


def migrate_log(settings: Settings) -> list[str]:
    """Make Kafka's topics, or bring them up to date; what was done, a sentence each. The embedded log makes itself."""
    if settings.log.kind == "embedded":
        return []
    from nullsender.log_kafka_topics import migrate_topics

    return migrate_topics(settings.kafka_settings, clock=CLOCK)


def keys_of(settings: Settings) -> SecretKeys:
    """This installation's secret keys.

    On one machine the first call ever makes them. Where several share a log or a list `make_keys` does, once: a machine with
    keys of its own would take bounces to the others' return paths for forged ones.
    """
    if settings.is_shared and not settings.secrets_file.exists():
        raise Misconfigured(
            f"{settings.secrets_file} is not there: copy it from the machine where this installation was begun, or on the "
            "first one run `nullsender migrate`"
        )
    return make_keys(settings)


def hasher_of(settings: Settings) -> AddressHasher:
    """What turns addresses into keys of the list."""
    return AddressHasher(keys_of(settings).address_key)


def require_list(settings: Settings) -> None:
    """For a command that only asks: `Invalid` where there is no list, for to open it would be to make an empty one."""
    if settings.sqlite_file is not None and not settings.sqlite_file.exists():
        raise Invalid(f"there is no list in {settings.data} (--data DIR says where it is; `nullsender migrate` begins one)")


def signer_of(settings: Settings) -> "DocumentSigner":
    """What signs the documents that leave this installation."""
    from suppression.exports.signing import DocumentSigner  # loads a library that most commands do without

    return DocumentSigner(keys_of(settings).address_key)


def make_keys(settings: Settings) -> SecretKeys:
    """This installation's secret keys, made where there are none."""
    return secret_keys.load_or_make(settings.secrets_file)
