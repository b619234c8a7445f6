"""Real translation data in the form that tests want."""

import tarfile

from tests.real_data import real


def iwslt_lines(member: str) -> list[str]:
    """The lines of a text in translation/iwslt14_deen.tar.xz."""
    with tarfile.open(real("translation/iwslt14_deen.tar.xz")) as archive:
        names = [name for name in archive.getnames() if name.endswith(member)]
        assert len(names) == 1, names
        file = archive.extractfile(names[0])
        assert file is not None
        return file.read().decode().removesuffix("\n").split("\n")
