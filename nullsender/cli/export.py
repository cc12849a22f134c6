"""`nullsender export`: rows of the list into a file, with a signed manifest beside it; and checking such a file.

It goes the way that the API's exports go, but here and now. Beside the draft stands what was asked for and how far it has come
(FILE.part.json): the same command, or `--resume`, goes on there.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nullsender.cli import parts, store_parts
from nullsender.cli.moments import moment
from nullsender.cli.option_names import named_as_options
from nullsender.errors import Invalid
from nullsender.wording import counted
from suppression.exports.request import ExportRequest, Format, What, checked
from suppression.policy import Cause

if TYPE_CHECKING:
    from suppression.exports.running import Files
    from suppression.exports.signing import Document, DocumentKey

_EVERY_TENANT = "*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which rows, into which file, what for and for whom."""
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="where the file goes; the manifest goes beside it")
    parser.add_argument("--purpose", default="", help="what it is for: it is logged, and stands in the manifest")
    parser.add_argument("--recipient", default="", help="who gets it: the same")
    parser.add_argument("--what", choices=[what.value for what in What], default=What.ENTRIES.value, help="(default: entries)")
    formats = [format_.value for format_ in Format]
    parser.add_argument("--format", choices=formats, default=Format.CSV.value, help="md5 and sha256: hashes for partners")
    parser.add_argument("--gzip", action="store_true", help="compress the file")
    parser.add_argument("--tenant", default="default", help="whose list; `*` for every tenant's (default: default)")
    parser.add_argument("--from", dest="begins", type=moment, metavar="TIME", help="only what began then or later (UTC)")
    parser.add_argument("--to", dest="ends", type=moment, metavar="TIME", help="only what began before then (UTC)")
    parser.add_argument("--cause", choices=[cause.value for cause in Cause], help="only entries with this cause")
    parser.add_argument("--scope", help="only of exactly this scope, such as `*` or list:news")
    parser.add_argument("--stream", help="only what stops mail of this stream")
    parser.add_argument("--list", dest="mailing_list", help="only what stops mail of this mailing list")
    parser.add_argument("--domain", help="only addresses of this domain")
    parser.add_argument("--ended", action="store_true", help="entries too that stop nothing any more")
    parser.add_argument("--resume", action="store_true", help="go on with the export into FILE that was interrupted")
    parser.add_argument("--actor", default="operator", help="who does this: it is logged (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the manifest instead of a sentence")
    parser.set_defaults(action=_make)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    verify = actions.add_parser("verify", help="check a file by its manifest, and the manifest by its signature")
    verify.add_argument("manifest", metavar="MANIFEST", type=Path, help="FILE.manifest.json; FILE lies beside it")
    verify.add_argument("--key", metavar="FILE", type=Path, help="the public key (PEM) of whoever made it (default: our own)")
    verify.set_defaults(action=_verify)
    public_key = actions.add_parser("public-key", help="print the key by which others check what we export")
    public_key.set_defaults(action=_public_key)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    code: int = arguments.action(arguments)
    return code


def _make(arguments: argparse.Namespace) -> int:
    if arguments.output is None:
        raise Invalid("say with -o where the file goes")
    with named_as_options():
        request = None if arguments.resume else checked(_request_of(arguments), parts.CLOCK.now())
    _require_folder(arguments.output.absolute().parent)
    # What takes long to load comes after the mistakes.
    from nullsender.cli.exporting.state import Begun, Steps, begun_at, state_file
    from suppression.exports.jobs import asked_for, done
    from suppression.exports.running import Export, Files, Order
    from suppression.store.exports import StoreExports
    from suppression.store.jobs import new_id

    files = Files(arguments.output.absolute())
    begun = begun_at(files, request)
    settings = parts.settings_of(arguments)
    store = StoreExports.beside(store_parts.open_store_to_look(settings))
    if begun is None:
        assert request is not None, "what was not begun can not be resumed"
        order = Order(id=new_id(), request=request, requested_by=arguments.actor, requested=parts.CLOCK.now())
        begun = Begun(order=order, cursor=None)
        store.note(asked_for(order))
    export = Export(begun.order, files, store=store, signer=parts.signer_of(settings), clock=parts.CLOCK)
    with Steps(files, begun) as steps:
        manifest = export.run(begun.cursor, steps)
    if not store.has_noted(complete := done(begun.order, manifest)):
        store.note(complete)
    state_file(files).unlink()
    print(json.dumps(manifest, ensure_ascii=False) if arguments.json else _in_words(files, manifest))
    return 0


def _require_folder(folder: Path) -> None:
    """Before the trail tells that an export was asked for: it would have no end there."""
    if not folder.is_dir():
        raise Invalid(f"there is no folder {folder}: make it, or choose another name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Invalid(f"nothing can be written into {folder}: choose another folder, or change its permissions")


def _request_of(arguments: argparse.Namespace) -> ExportRequest:
    return ExportRequest(
        what=What(arguments.what),
        format=Format(arguments.format),
        gzip=arguments.gzip,
        tenant=None if arguments.tenant == _EVERY_TENANT else arguments.tenant,
        begins=arguments.begins,
        ends=arguments.ends,
        cause=None if arguments.cause is None else Cause(arguments.cause),
        scope=arguments.scope,
        stream=arguments.stream,
        mailing_list=arguments.mailing_list,
        domain=arguments.domain,
        ended=arguments.ended,
        purpose=arguments.purpose,
        recipient=arguments.recipient,
    )


def _in_words(files: "Files", manifest: "Document") -> str:
    file, counts = manifest["file"], manifest["counts"]
    hashes = f", {counted(file['rows'], 'different hash', 'different hashes')}" if Format(manifest["format"]).is_hashes else ""
    return (
        f"{files.target}: {counted(counts['rows'], 'row')}{hashes}, {counted(file['bytes'], 'byte')}, "
        f"as of {manifest['as_of']['at']}\n"
        f"SHA-256 {file['sha256']}\n"
        f"Its manifest is {files.manifest}: `nullsender export verify` checks both."
    )


def _verify(arguments: argparse.Namespace) -> int:
    from suppression.exports.verifying import verify

    manifest = verify(arguments.manifest, _key(arguments))
    print(
        f"{arguments.manifest.with_name(manifest['file']['name'])} is what was exported on {manifest['completed_at']} for "
        f"{manifest['recipient']} ({manifest['purpose']}): {counted(manifest['file']['rows'], 'row')}, nothing was changed."
    )
    return 0


def _key(arguments: argparse.Namespace) -> "DocumentKey":
    from suppression.exports.signing import DocumentKey

    if arguments.key is not None:
        return DocumentKey.from_pem(arguments.key.read_bytes())
    settings = parts.settings_of(arguments)
    if not settings.secrets_file.exists():
        raise Invalid(
            "there are no keys here: name the public key of whoever made it with --key (`export public-key` prints it)"
        )
    return parts.signer_of(settings).public


def _public_key(arguments: argparse.Namespace) -> int:
    sys.stdout.write(parts.signer_of(parts.settings_of(arguments)).public.pem())
    return 0
