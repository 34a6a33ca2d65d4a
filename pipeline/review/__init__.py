"""Human judgments: a page on this machine on which people say, blinded, whether two images are the same."""

from pipeline.review.server import review

__all__ = ["review"]
