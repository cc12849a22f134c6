"""The policy file as commands read it."""

from pathlib import Path

from classifiers.outcome import MEANINGS
from nullsender.errors import Misconfigured
from nullsender.events import Fault
from nullsender.limits import POLICY_FILE_BYTES_MAX
from suppression.policy import Policy, PolicySettings
from suppression.policy.file import read_policy

#: The categories that may have a limit of their own: only what is the recipient's fault is ever counted (G7).
CATEGORIES = tuple(category.value for category, meaning in MEANINGS.items() if meaning.fault is Fault.RECIPIENT)


def read_file(file: Path, default: PolicySettings) -> Policy:
    """The policy in `file`, over `default`; `Misconfigured` says what is wrong with it, and on which line."""
    try:
        with file.open("rb") as opened:
            content = opened.read(POLICY_FILE_BYTES_MAX + 1)
        if len(content) > POLICY_FILE_BYTES_MAX:
            raise Misconfigured(f"the policy file {file} is larger than {POLICY_FILE_BYTES_MAX} bytes")
        text = content.decode()
    except OSError as error:
        raise Misconfigured(f"the policy file {file} can not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"the policy file {file} is not TOML: line {line} is not UTF-8") from error
    return read_policy(text, default, file=str(file), categories=CATEGORIES)
