"""The version of the installed SDK, read from the package's metadata.

Gives a marked fallback when the code runs from a checkout that was never installed.
"""

from importlib import metadata

FALLBACK = "0.1.0.dev0"


def installed_version() -> str:
    """Gives the version that `pip` knows, or the fallback of a bare checkout."""
    try:
        return metadata.version("corral")
    except metadata.PackageNotFoundError:
        return FALLBACK


__version__ = installed_version()
SDK_NAME = f"corral-python/{__version__}"
