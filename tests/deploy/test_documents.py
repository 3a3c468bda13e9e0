"""The links between the documents of the repository."""

import re

import pytest

import template

DOCUMENTS = sorted(
    str(file.relative_to(template.ROOT)) for pattern in ("*.md", "docs/*.md") for file in template.ROOT.glob(pattern)
)


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
