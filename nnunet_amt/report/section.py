"""A section of the page, and what stands where a part of it is missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Missing:
    """A part that the study does not hold.

    Attributes
    ----------
    what
        In a sentence: what is missing and why.
    commands
        What to type to have it, in the study's folder.
    """

    what: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    anchor
        Its id.
    title
        Its heading, without a number.
    template
        File below ``templates`` that lays it out.
    content
        What the template shows, there named ``content``.
    """

    anchor: str
    title: str
    template: str
    content: object
