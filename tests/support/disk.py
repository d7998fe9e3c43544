"""What a power cut leaves of a folder: a program's changes are traced, and the disk as it may be then is made anew.

A disk keeps what was synced: a file's bytes by fsync of the file, a name by fsync of its folder. What was not synced is
there, is not, or is there in part, each for itself.
"""

import os
import pathlib
import shutil
import subprocess

SOURCE = pathlib.Path(__file__).with_name("disk_trace.c")


def build_tracer(folder):
    """The library that writes down what a program does."""
    library = pathlib.Path(folder) / "disk_trace.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", library, SOURCE, "-ldl"], check=True, capture_output=True
    )
    return library


class File:
    def __init__(self, content=b""):
        self.synced = bytes(content)  # what the disk has
        self.pending = []  # (offset, bytes), or (size, None) for a truncation

    def content(self, keep=lambda: True, tear=None):
        out = bytearray(self.synced)
        for at, data in self.pending:
            if not keep():
                continue
            if data is None:
                out[:] = out[:at] + b"\0" * (at - len(out))
                continue
            data = data[: tear(len(data))] if tear else data
            out[len(out) :] = b"\0" * (at - len(out))
            out[at : at + len(data)] = data
        return bytes(out)

    def sync(self):
        self.synced, self.pending = self.content(), []


class Folder:
    def __init__(self):
        self.synced = {}  # name -> File or Folder
        self.pending = []  # (name, what it is from then on, None: gone)

    def names(self, keep=lambda: True):
        out = dict(self.synced)
        for name, what in self.pending:
            if not keep():
                continue
            if what is None:
                out.pop(name, None)
            else:
                out[name] = what
        return out

    def sync(self):
        self.synced, self.pending = self.names(), []


class Disk:
    """A folder as it was, all of it synced, and what a program did to it then, step by step."""

    def __init__(self, root):
        self.inodes, self.steps = {}, []
        self.root = self.read(pathlib.Path(root))

    def read(self, path):
        if path.is_dir():
            it = Folder()
            it.synced = {p.name: self.read(p) for p in sorted(path.iterdir())}
        else:
            it = File(path.read_bytes())
        return self.inodes.setdefault(path.stat().st_ino, it)

    def load(self, trace):
        """The steps of a trace, none of them done."""
        data, at = pathlib.Path(trace).read_bytes(), 0
        while at < len(data):
            end = data.index(b"\n", at)
            op, inode, offset, length = data[at:end].split(b" ")
            at = end + 1 + int(length)
            self.steps.append((op.decode(), int(inode), int(offset), data[end + 1 : at]))
        return len(self.steps)

    def folder_of(self, name):
        *parts, base = name.decode().split("/")
        it = self.root
        for part in parts:
            it = it.names()[part]
        return it, base

    def take(self, step):
        """Does one step; what it changed is not synced."""
        op, inode, at, data = step
        if op in ("create", "mkdir"):
            folder, base = self.folder_of(data)
            self.inodes[inode] = File() if op == "create" else Folder()
            folder.pending.append((base, self.inodes[inode]))
        elif op in ("link", "rename"):
            a, b = data.split(b"\0")
            (from_folder, from_base), (to_folder, to_base) = self.folder_of(a), self.folder_of(b)
            to_folder.pending.append((to_base, from_folder.names()[from_base]))
            if op == "rename":
                from_folder.pending.append((from_base, None))
        elif op in ("unlink", "rmdir"):
            folder, base = self.folder_of(data)
            folder.pending.append((base, None))
        elif op == "write":
            self.inodes[inode].pending.append((at, data))
        elif op == "truncate":
            self.inodes[inode].pending.append((at, None))
        else:
            assert op in ("sync", "sync-folder"), op
            self.inodes[inode].sync()

    def left(self, how, rng=None):
        """{path: bytes, None for a folder}: how is "kept" (the program was killed, the system goes on), "lost" (all that was
        not synced) or "torn" (parts of it, by chance)."""
        keep = {"kept": lambda: True, "lost": lambda: False, "torn": lambda: rng.random() < 0.5}[how]
        tear = (lambda n: rng.choice([n, n, rng.randrange(n + 1)])) if how == "torn" else None
        files, contents = {}, {}

        def walk(folder, prefix):
            for name, it in sorted(folder.names(keep).items()):
                if isinstance(it, Folder):
                    files[prefix + name] = None
                    walk(it, prefix + name + "/")
                else:
                    if id(it) not in contents:  # a file of two names has one content
                        contents[id(it)] = it.content(keep, tear)
                    files[prefix + name] = contents[id(it)]

        walk(self.root, "")
        return files


def put_down(files, folder):
    """Makes the folder so."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for path, content in files.items():
        if content is None:
            os.makedirs(f"{folder}/{path}", exist_ok=True)
        else:
            pathlib.Path(folder, path).write_bytes(content)


def traced(library, folder, trace):
    """The environment in which a program is traced."""
    return {"LD_PRELOAD": str(library), "INGOT_DISK_ROOT": str(folder), "INGOT_DISK_TRACE": str(trace)}
