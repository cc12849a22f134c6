"""Who does jobs of which kind. How a runner is written stands in `suppression/jobs/worker.py`; here each has its line."""

from collections.abc import Mapping
from functools import partial

from nullsender.cli import parts
from nullsender.cli.working.deciding import RulesOfToday
from nullsender.config import Settings
from suppression.exports.jobs import KIND as EXPORT
from suppression.exports.jobs import ExportRunner
from suppression.imports.jobs import KIND as IMPORT
from suppression.imports.jobs import ImportRunner
from suppression.jobs.worker import Runner
from suppression.store.exports import StoreExports
from suppression.store.held_reports import RELEASE, StoreReview
from suppression.store.imports import StoreImports
from suppression.store.incidents import MAKE, PREVIEW, UNDO
from suppression.store.store import Store


def runners_of(settings: Settings, store: Store) -> Mapping[str, Runner]:
    """The runner of each kind of job."""
    exports = StoreExports.beside(store)
    review, decide = StoreReview.beside(store), RulesOfToday(settings)
    return {
        **{kind: partial(review.run, decide=decide) for kind in (MAKE, UNDO, PREVIEW)},
        RELEASE: review.run_release,
        IMPORT: ImportRunner(settings.imports_folder, StoreImports.beside(store), parts.hasher_of(settings), parts.CLOCK),
        EXPORT: ExportRunner(settings.exports_folder, exports, parts.signer_of(settings), parts.CLOCK),
    }
