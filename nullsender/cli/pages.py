"""Writes the pages of docs/ that are generated from the code: `make docs`."""

from pathlib import Path

from classifiers.elsewhere import categories_page
from nullsender.telemetry import metrics_page

_ROOT = Path(__file__).parent.parent.parent


def main() -> None:
    """Write every generated page."""
    (_ROOT / "docs" / "metrics.md").write_text(metrics_page())
    (_ROOT / "docs" / "categories.md").write_text(categories_page())


if __name__ == "__main__":
    main()
