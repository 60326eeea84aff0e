"""Copies the card's template and the Space's files into the package when it is built."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithTemplates(build_py):
    """In a checkout they stand at the root, where `hf_cf.storage.templates` finds them too."""

    def run(self) -> None:
        """Build the package, and copy the templates unless it is used in place."""
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib) / "hf_cf"
            shutil.copy("model_card.md", package)
            ignored = shutil.ignore_patterns(".*", "__pycache__")
            shutil.copytree("space", package / "space_template", ignore=ignored, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithTemplates})
