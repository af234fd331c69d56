"""What is reported of the software a run used."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from lowtide.runtime.telemetry import software_near, software_versions


def test_versions_are_those_of_the_packages_metadata() -> None:
    found = software_versions()
    ours = {name: metadata.version(name) for name in found if name not in ("python", "nvidia-driver")}
    assert "numpy" in ours
    assert ours == {name: found[name] for name in ours}


def test_names_of_folders_say_what_is_installed(tmp_path: Path) -> None:
    for name in ("torch-2.4.0+cu121.dist-info", "scikit_learn-1.5.2.dist-info", "Keras-3.5.0.dist-info",
                 "jax-0.4.30-py3.11.egg-info", "jax-0.4.30-py3.11.txt", "torchvision-0.19.0.dist-info",
                 "numpy.dist-info", "pytorch_lightning-2.4.0.post0.dist-info"):  # fmt: skip
        (tmp_path / name).mkdir()
    assert software_versions([str(tmp_path), str(tmp_path / "not-there")]) == {
        "jax": "0.4.30", "keras": "3.5.0", "pytorch-lightning": "2.4.0.post0", "scikit-learn": "1.5.2",
        "torch": "2.4.0+cu121",
    }  # fmt: skip


def test_environment_of_another_program_is_read_where_it_is(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.12" / "site-packages"
    (packages / "torch-2.5.1.dist-info").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.12.4\n")
    assert software_near(str(tmp_path / "bin" / "train")) == {"python": "3.12.4", "torch": "2.5.1"}
