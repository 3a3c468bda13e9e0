"""The documents and configuration of the repository: readable in 120 columns, with links that lead somewhere."""

import re

import pytest

import template

PATTERNS = """
    *.md docs/*.md *.yaml samconfig.toml deny.toml Makefile cloudformation/* .github/*.yml .github/workflows/* .ci/*
    tools/* crates/api/*.yaml tests/deploy/* tests/schemathesis/*
""".split()
# `make bench` writes it.
GENERATED = template.ROOT / "docs/BENCHMARKS.md"
FILES = sorted(
    str(file.relative_to(template.ROOT))
    for pattern in PATTERNS
    for file in template.ROOT.glob(pattern)
    if file.is_file() and file != GENERATED
)
DOCUMENTS = [name for name in FILES if name.endswith(".md")]


@pytest.mark.parametrize("name", FILES)
def test_no_line_is_over_120_columns(name):
    lines = (template.ROOT / name).read_text().splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120] == []


def anchors(document: str) -> set[str]:
    """Returns the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", (template.ROOT / document).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_within_the_repository_leads_somewhere(name):
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", (template.ROOT / name).read_text()):
        path, _, anchor = target.partition("#")
        document = ((template.ROOT / name).parent / path).resolve() if path else template.ROOT / name
        assert document.exists(), target
        assert not anchor or anchor in anchors(document.relative_to(template.ROOT)), target
