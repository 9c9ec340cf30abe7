"""The engine of jobs in Python, into which ``pelton build`` puts a job.

componentize-py runs this module when the engine is made. It keeps the files that a job may import from, which
componentize-py has only then, and gets what every job imports. The first call of ``configure`` is ``pelton build``'s, with
the job's folders in sight: it imports the job, and what is then in memory is the job's component. All further calls go
straight to the SDK's.
"""

import importlib.machinery as machinery
import os
import shutil
import sys
import traceback

# What the SDK imports. All else is imported with a job, so that no other job has it in memory.
import _pylong  # noqa: F401
import collections.abc  # noqa: F401
import dataclasses  # noqa: F401
import datetime  # noqa: F401
import decimal  # noqa: F401
import json  # noqa: F401
import linecache  # noqa: F401
import typing  # noqa: F401
import uuid  # noqa: F401

from componentize_py_types import Err

# Of the standard library, what has no use without files, screens and processes.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "pydoc_data")
_FOLDERS = ("python", "world", "bundled")

if os.path.isdir("/0/keep"):
    for _name in _FOLDERS:
        shutil.copytree(f"/{_name}", f"/0/keep/{_name}", ignore=_LEFT_OUT)
# What was found in this folder is not there any more.
sys.path_importer_cache.clear()
sys.dont_write_bytecode = True


class _Any:
    """Holds every name."""

    def __contains__(self, name):
        return True


class _Finder(machinery.FileFinder):
    """Looks for the files that a module may be in, and lists no folder: what else lies there, such as other packages of
    this machine, is not in memory after that, and so not in the component."""

    def _fill_cache(self):
        self._path_cache = _Any()


_LOADERS = (
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)


class Task:
    """``pelton:job/task``"""

    def describe(self):
        """``task.describe``"""
        raise RuntimeError("this is the engine of Python jobs, and no job")

    def configure(self, parameters):
        """Takes the job in."""
        try:
            folders = []
            while os.path.isdir(f"/{len(folders)}"):
                folders.append(f"/{len(folders)}")
            sys.path[:] = ["/python", "/world", *folders, "/bundled"]
            sys.path_hooks[:] = [_Finder.path_hook(*_LOADERS)]
            import pelton.component as component

            task = component.Task()
            # Of the class: componentize-py has an instance for each function.
            for name in ("describe", "configure", "process"):
                setattr(Task, name, staticmethod(getattr(task, name)))
            sys.path_importer_cache.clear()
        except BaseException as error:
            # Without this frame.
            trace = error.__traceback__ and error.__traceback__.tb_next
            raise Err("".join(traceback.format_exception(type(error), error, trace))) from None

    def process(self, batch):
        """``task.process``"""
        raise RuntimeError("this is the engine of Python jobs, and no job")
