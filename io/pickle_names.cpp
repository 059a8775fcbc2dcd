#include <algorithm>
#include <array>

#include "weft/io/pickle.h"

namespace weft {
namespace {

/// Modules of Python, and some that are often installed, whose functions run code, start programs, open files or
/// connections, or read pickles again. Nothing of a pickle is run anyway: the list is there so that a file that was
/// made to attack is said to be one.
constexpr std::array dangerous_modules{"_aix_support",
                                       "_io",
                                       "_osx_support",
                                       "_pickle",
                                       "_posixsubprocess",
                                       "_thread",
                                       "_xxsubinterpreters",
                                       "aiohttp",
                                       "antigravity",
                                       "asyncio",
                                       "atexit",
                                       "bdb",
                                       "builtins",
                                       "__builtin__",
                                       "__builtins__",
                                       "cProfile",
                                       "cloudpickle",
                                       "code",
                                       "codeop",
                                       "commands",
                                       "compileall",
                                       "concurrent",
                                       "ctypes",
                                       "dill",
                                       "distutils",
                                       "doctest",
                                       "ensurepip",
                                       "fileinput",
                                       "ftplib",
                                       "gc",
                                       "http",
                                       "httplib",
                                       "idlelib",
                                       "imaplib",
                                       "imp",
                                       "importlib",
                                       "inspect",
                                       "io",
                                       "joblib",
                                       "lib2to3",
                                       "linecache",
                                       "marshal",
                                       "mmap",
                                       "multiprocessing",
                                       "nt",
                                       "operator",
                                       "os",
                                       "paramiko",
                                       "pdb",
                                       "pickle",
                                       "pip",
                                       "pkg_resources",
                                       "pkgutil",
                                       "platform",
                                       "popen2",
                                       "poplib",
                                       "posix",
                                       "posixpath",
                                       "profile",
                                       "pty",
                                       "py_compile",
                                       "pydoc",
                                       "requests",
                                       "rlcompleter",
                                       "runpy",
                                       "setuptools",
                                       "shelve",
                                       "shutil",
                                       "signal",
                                       "site",
                                       "smtplib",
                                       "socket",
                                       "socketserver",
                                       "sqlite3",
                                       "ssl",
                                       "subprocess",
                                       "sys",
                                       "tarfile",
                                       "telnetlib",
                                       "tempfile",
                                       "test",
                                       "threading",
                                       "timeit",
                                       "tkinter",
                                       "trace",
                                       "turtle",
                                       "urllib",
                                       "urllib2",
                                       "urllib3",
                                       "uuid",
                                       "venv",
                                       "webbrowser",
                                       "xmlrpc",
                                       "zipapp",
                                       "zipfile",
                                       "zipimport"};

/// Of modules that are mostly harmless; the module, a dot, and what the rest begins with.
constexpr std::array dangerous_names{"functools.reduce",
                                     "types.CodeType",
                                     "types.FunctionType",
                                     "numpy.distutils",
                                     "numpy.f2py",
                                     "numpy.load",
                                     "numpy.testing",
                                     "numpy.fromfile",
                                     "numpy.memmap",
                                     "pandas.eval",
                                     "pandas.io",
                                     "pandas.read_pickle",
                                     "pathlib.Path.",
                                     "torch._dynamo",
                                     "torch._inductor",
                                     "torch.compile",
                                     "torch.distributed.rpc",
                                     "torch.hub",
                                     "torch.jit.load",
                                     "torch.jit.unsupported_tensor_ops",
                                     "torch.load",
                                     "torch.ops",
                                     "torch.package",
                                     "torch.serialization.load",
                                     "torch.utils.cpp_extension",
                                     "torch.utils.collect_env",
                                     "torch.utils._config_module"};

/// What builtins has that only holds data.
constexpr std::array harmless_builtins{
    "bool",  "bytearray", "bytes", "complex", "dict",  "float",    "frozenset",      "int",  "list",   "object",
    "range", "set",       "slice", "str",     "tuple", "Ellipsis", "NotImplemented", "long", "unicode"};

bool in(const auto& table, std::string_view text) { return std::find(table.begin(), table.end(), text) != table.end(); }

}  // namespace

bool runs_code(std::string_view module, std::string_view name) {
  const std::string_view package = module.substr(0, module.find('.'));
  if (module == "builtins" || module == "__builtin__") return !in(harmless_builtins, name);
  if (in(dangerous_modules, package)) return true;
  const std::string full = std::string(module) + "." + std::string(name);
  return std::any_of(dangerous_names.begin(), dangerous_names.end(),
                     [&](std::string_view begin) { return std::string_view(full).starts_with(begin); });
}

}  // namespace weft
