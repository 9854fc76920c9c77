"""Makes the notebooks of the scripts beside this file, runs them, and writes them with what they printed and drew.

python examples/notebooks/make_notebooks.py     needs: pip install nbformat nbclient ipykernel matplotlib
"""

import os
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = [HERE / "training_on_images.py", HERE / "a_layer_explained.py"]


def cells(source):
    """(kind, text) of each cell of a script in the percent format: "markdown" without its comment signs, or "code"."""
    for part in re.split(r"^# %%", source, flags=re.MULTILINE)[1:]:
        head, _, text = part.partition("\n")
        if "[markdown]" in head:
            yield "markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.strip().splitlines())
        else:
            yield "code", text.strip()


def main():
    """Make, run and write all of them."""
    import nbclient
    import nbformat

    os.environ.setdefault("PYTHONPATH", str(HERE.parents[1]))
    for path in SOURCES:
        book = nbformat.v4.new_notebook()
        make = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
        book.cells = [make[kind](text, id=f"cell-{n}") for n, (kind, text) in enumerate(cells(path.read_text()))]
        setup = nbformat.v4.new_code_cell("%config InlineBackend.rc = {'figure.dpi': 70}\n%matplotlib inline")
        book.cells.insert(0, setup)
        with tempfile.TemporaryDirectory() as folder:
            nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": folder}}).execute()
        del book.cells[0]
        for number, cell in enumerate((c for c in book.cells if c.cell_type == "code"), start=1):
            cell.execution_count, cell.metadata = number, {}
            cell.outputs = [tidy(output, number) for output in cell.outputs if not progress(output)]
        book.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(book, path.with_suffix(".ipynb"))
        print(f"{path.with_suffix('.ipynb')}: {len(book.cells)} cells", file=sys.stderr)


def progress(output):
    """Whether this is a progress bar or a note on standard error."""
    return output.get("name") == "stderr" or "application/vnd.jupyter.widget-view+json" in output.get("data", {})


def tidy(output, number):
    """The output, numbered as its cell."""
    if "execution_count" in output:
        output["execution_count"] = number
    return output


if __name__ == "__main__":
    main()
