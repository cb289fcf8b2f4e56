"""A browser for the tests of the page."""

from tests.browser import browser as browser
