#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/io/pickle.h"
#include "weft/io/tensor_file.h"
#include "weft/tests/archives.h"

using namespace weft;
using namespace archives;
using namespace std::string_literals;

namespace {

TensorFile parsed(const std::string& bytes) {
  const auto kept = std::make_shared<const std::string>(bytes);
  return TensorFile::parse(std::as_bytes(std::span(*kept)), "x.pth", kept);
}

std::string refusal(const std::string& bytes) {
  try {
    parsed(bytes);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

const std::string eight = std::string(32, '\1');

/// What refuses a tensor of a storage of 8 float32 in a zip archive.
std::string tensor_refusal(const std::string& tensor) {
  return refusal(torch_zip(dict({{"w", tensor}}), {{"0", eight}}));
}

std::string short_text(const std::string& value) { return "\x8c" + little(value.size(), 1) + value; }
std::string stack_global(const std::string& module, const std::string& name) {
  return short_text(module) + short_text(name) + "\x93";
}

}  // namespace

TEST_CASE("a pickle that asks to run code is refused by the name that it asks for") {
  const auto message = [](const std::string& name) {
    return "[torch] 'x.pth' asks to run " + name +
           "; weft runs nothing of a file. A file of weights has no reason to ask: do not load it elsewhere";
  };
  const std::pair<std::string, std::string> attacks[] = {{"os", "system"},
                                                         {"posix", "system"},
                                                         {"nt", "system"},
                                                         {"subprocess", "Popen"},
                                                         {"builtins", "eval"},
                                                         {"builtins", "exec"},
                                                         {"builtins", "getattr"},
                                                         {"builtins", "__import__"},
                                                         {"__builtin__", "compile"},
                                                         {"builtins", "open"},
                                                         {"sys", "exit"},
                                                         {"runpy", "_run_code"},
                                                         {"importlib", "import_module"},
                                                         {"importlib.util", "find_spec"},
                                                         {"shutil", "rmtree"},
                                                         {"socket", "socket"},
                                                         {"webbrowser", "open"},
                                                         {"ctypes", "CDLL"},
                                                         {"pty", "spawn"},
                                                         {"torch.hub", "load"},
                                                         {"torch", "load"},
                                                         {"numpy.testing._private.utils", "runstring"},
                                                         {"operator", "methodcaller"},
                                                         {"pickle", "loads"},
                                                         {"types", "CodeType"},
                                                         {"os.path", "join"}};
  for (const auto& [module, name] : attacks) {
    INFO(module << "." << name);
    const std::string call = tuple({text("rm -rf /")}) + "R", expected = message(module + "." + name);
    CHECK(refusal(torch_zip(dict({{"w", global(module, name) + call}}), {})) == expected);
    CHECK(refusal(torch_zip(stack_global(module, name) + call, {})) == expected);
    CHECK(refusal(torch_zip(dict({{"w", "(" + text("a") + "i" + module + "\n" + name + "\n"}}), {})) == expected);
    CHECK(refusal(torch_legacy(global(module, name) + call, {})) == expected);
    CHECK(refusal(pickled(global(module, name) + call)) == expected);
    // Behind a state dict that is fine, and as the state of another object.
    CHECK(refusal(torch_zip(global("a", "B") + ")\x81" + global(module, name) + call + "b", {})) == expected);
  }
  // Protocol 0, as most attacks on the web are written: by its first opcodes the file is a text.
  CHECK(contains(refusal("cos\nsystem\n(S'ls'\ntR."), "a text, beginning with 'cos"));
}

TEST_CASE("what is not known is named and not run") {
  const auto file = parsed(torch_zip(
      dict({{"config", global("omegaconf.dictconfig", "DictConfig") + ")\x81" +
                           dict({{"lr", "G\x3f\xf0" + std::string(6, '\0')}}) + "b"},
            {"called", global("any.where", "make") + tuple({text("x")}) + "R"},
            {"bare", global("any.where", "Class")},
            {"pair", global("a", "Slots") + ")\x81" + tuple({dict({{"x", "K\1"}}), dict({{"y", "K\2"}})}) + "b"},
            {"set", global("builtins", "set") + tuple({"](K\1e"}) + "R"},
            {"counter", global("collections", "Counter") + ")R" + text("k") + "K\3s"},
            {"list", global("a", "List") + ")R(K\7K\x08"
                                           "e"}}),
      {}));
  const std::map<std::string, std::string> expected = {{"config", "opaque omegaconf.dictconfig.DictConfig"},
                                                       {"config.lr", "1"},
                                                       {"called", "opaque any.where.make"},
                                                       {"bare", "opaque any.where.Class"},
                                                       {"pair", "opaque a.Slots"},
                                                       {"pair.x", "1"},
                                                       {"pair.y", "2"},
                                                       {"set", "opaque builtins.set"},
                                                       {"counter", "opaque collections.Counter"},
                                                       {"counter.k", "3"},
                                                       {"list", "opaque a.List"},
                                                       {"list.0", "7"},
                                                       {"list.1", "8"}};
  std::map<std::string, std::string> found;
  for (const auto& record : file.records()) found[record.name] = record.str();
  CHECK(found == expected);
}

TEST_CASE("numbers, keys and protocols of pickles") {
  const auto records = [](const std::string& value) {
    std::map<std::string, std::string> found;
    const auto file = parsed(torch_zip(value, {}));
    for (const auto& record : file.records()) found[record.name] = record.str();
    return found;
  };
  using Records = std::map<std::string, std::string>;
  CHECK(records("K\5") == Records{{"object", "5"}});
  CHECK(records("](J" + little(0xfffffffe, 4) +
                "M\1\1"
                "\x8a\1\xff"
                "\x8a" +
                std::string(1, '\0') + "\x8b" + little(2, 4) +
                "\0\x80"
                "e"s) == Records{{"0", "-2"}, {"1", "257"}, {"2", "-1"}, {"3", "0"}, {"4", "-32768"}});
  CHECK(records("\x8a\x09" + std::string(9, '\1')) == Records{{"object", "opaque int"}});
  CHECK(records("}(K\1K\2NK\3\x88K\4" + text("a") + "}u") == Records{{"1", "2"}, {"#1", "3"}, {"#2", "4"}});
  CHECK(records(global("collections", "OrderedDict") + tuple({"](" + tuple({text("a"), "K\1"}) + "e"}) + "R") ==
        Records{{"a", "1"}});
  CHECK(records(global("collections", "OrderedDict") + ")R" + dict({{"_metadata", "K\1"}}) + "b") == Records{});
  CHECK(records("\x80\4\x95" + little(2, 8) + "K\1") == Records{{"object", "1"}});
  CHECK(records("](K\1K\2(K\3"
                "1e") == Records{{"0", "1"}, {"1", "2"}});
  CHECK(records("](K\1K\2"
                "0"
                "2e") == Records{{"0", "1"}, {"1", "1"}});
  CHECK(records("(" + text("a") + "K\1d") == Records{{"a", "1"}});
  CHECK(records("\x8c\1a\x94"
                "0h\0"s) == Records{{"object", "'a'"}});
  CHECK(contains(refusal(torch_zip("I5\n", {})), "opcode 'I' of protocol 0"));
  CHECK(contains(refusal(torch_zip("\xff", {})), "opcode 0xff"));
  CHECK(contains(refusal(torch_zip("\x80\6", {})), "protocol 6"));
  CHECK(contains(refusal(torch_zip("\x82\1", {})), "opcode 0x82"));  // EXT1: a table of other programs
}

TEST_CASE("broken pickles are refused") {
  for (const std::string& value : {"e"s,
                                   "0"s,
                                   "t"s,
                                   "h\5"s,
                                   "j\xff\xff\xff\xff"s,
                                   "R"s,
                                   "NR"s,
                                   "NNe"s,
                                   "(NNu"s,
                                   "](K\1u"s,
                                   "}(Nu"s,
                                   "\x86"s,
                                   "X\xff\xff\xff\xff"s,
                                   "\x8b\xff\xff\xff\xff"s,
                                   "\x8d" + std::string(8, '\xff'),
                                   "\x95" + std::string(8, '\xff'),
                                   "ca"s,
                                   "c" + std::string(500, 'a') + "\nb\n",
                                   "NN\x93"s,
                                   "Q"s,
                                   "b"s,
                                   "Na"s,
                                   "K\1" + text("a") + "Ns",
                                   "(1"s,
                                   "("s}) {
    INFO(value);
    CHECK(contains(refusal(torch_zip(value, {})), "[torch] 'x.pth': the pickle, at byte "));
  }
}

TEST_CASE("memory and time are bounded: memo bombs, cycles, deep and repeated values") {
  CHECK(parsed(torch_zip("Nr\xff\xff\xff\xff", {})).records().size() == 1);  // a large place takes no memory
  // 2^60 paths to one value.
  std::string bomb = "K\1q\0"s;
  for (int i = 0; i < 60; ++i)
    bomb += "0](h" + std::string(1, static_cast<char>(i)) + "h" + std::string(1, static_cast<char>(i)) + "eq" +
            std::string(1, static_cast<char>(i + 1));
  CHECK(contains(refusal(torch_zip(bomb, {})), "more than 2^22 values"));
  // The same without a leaf.
  bomb.replace(0, 4, "]q\0"s);
  CHECK(contains(refusal(torch_zip(bomb, {})), "more than 2^22 values"));
  CHECK(contains(refusal(torch_zip("]q\1h\1a", {})), "within themselves"));
  CHECK(contains(refusal(torch_zip("}q\1" + text("a") + "h\1s", {})), "within themselves"));
  CHECK(contains(refusal(torch_zip(global("a", "B") + ")\x81q\1}" + text("a") + "h\1sb", {})), "within themselves"));
  CHECK(contains(refusal(torch_zip(std::string(200, ']') + std::string(199, 'a'), {})), "more than 100 deep"));
  CHECK(parsed(torch_zip(std::string(100, ']') + std::string(99, 'a'), {})).records().empty());
  CHECK(contains(refusal(torch_zip(std::string(5'000'000, '('), {})), "stack has more than 2^22"));
  CHECK(contains(refusal(torch_zip(std::string(5'000'000, ']'), {})), "more than 2^22 values"));
  CHECK(contains(refusal(torch_zip("N" + std::string(5'000'000, '\x94'), {})), "more than 2^22 values"));
  // A list of 2^12 that is made into 2^12 dicts.
  std::string pairs = "](";
  for (int i = 0; i < 4096; ++i) pairs += tuple({"K\1", "K\2"});
  pairs += "eq\1" + std::string("0");
  std::string dicts = pairs + "](";
  for (int i = 0; i < 4096; ++i) dicts += global("collections", "OrderedDict") + "h\1\x85R";
  CHECK(contains(refusal(torch_zip(dicts + "e", {})), "more than 2^22 values"));
  // Long names through long paths.
  std::string names = "K\1";
  for (int i = 0; i < 30; ++i) names = "}" + text(std::string(200'000, 'n')) + names + "s";
  CHECK(parsed(torch_zip(names, {})).records().size() == 1);
  std::string many = "](";
  for (int i = 0; i < 2000; ++i) many += "K\1";
  names = many + "e";
  for (int i = 0; i < 2; ++i) names = "}" + text(std::string(200'000, 'n')) + names + "s";
  CHECK(contains(refusal(torch_zip(names, {})), "more than 2^28 characters"));
}

TEST_CASE("tensors that do not lie in their storage are refused") {
  const std::string s = storage("FloatStorage", "0", 8);
  CHECK(tensor_refusal(tensor(s, 0, {2, 4}, {4, 1})) == "accepted");
  CHECK(tensor_refusal(tensor(s, 0, {2, 4}, {0, 1})) == "accepted");
  CHECK(tensor_refusal(tensor(s, 8, {0, 4}, {4, 1})) == "accepted");
  CHECK(tensor_refusal(tensor(s, 7, {1}, {1000})) == "accepted");
  const std::string outside = "does not lie in its storage";
  for (const std::string& bad :
       {tensor(s, 1, {2, 4}, {4, 1}), tensor(s, 0, {2, 4}, {5, 1}), tensor(s, 9, {0}, {1}), tensor(s, 0, {9}, {1}),
        tensor(s, 0, {2, 2, 2}, {INT64_MAX / 2, INT64_MAX / 2, INT64_MAX / 2}), tensor(s, 0, {3}, {INT64_MAX}),
        tensor(s, 0, {INT64_MAX >> 4}, {16}), tensor(s, INT64_MAX / 8, {1}, {1})})
    CHECK(contains(tensor_refusal(bad), outside));
  CHECK(contains(tensor_refusal(tensor(s, INT64_MAX, {1}, {1})), "a storage of 9223372036854775807 items"));
  CHECK(contains(tensor_refusal(tensor(s, -1, {1}, {1})), "its offset is no whole number of at least 0"));
  CHECK(contains(tensor_refusal(tensor(s, 0, {-1}, {1})), "a size is no whole number"));
  CHECK(contains(tensor_refusal(tensor(s, 7, {2}, {-1})), "a stride is no whole number"));
  CHECK(contains(tensor_refusal(tensor(s, 0, {1 << 30, 1 << 30}, {0, 0})), "too large"));
  CHECK(contains(tensor_refusal(tensor(s, 0, {1 << 30}, {0})), "repeats the numbers of its storage"));
  CHECK(contains(tensor_refusal(tensor(s, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1})), "9 axes"));
  CHECK(contains(tensor_refusal(tensor(s, 0, {1}, {1, 1})), "no tuples of one length"));
}

TEST_CASE("storages that lie about themselves are refused") {
  const auto with = [](const std::string& s) { return tensor_refusal(tensor(s, 0, {1}, {1})); };
  CHECK(with(storage("FloatStorage", "0", 8)) == "accepted");
  CHECK(contains(with(storage("FloatStorage", "0", 9)), "storage '0' has 32 bytes; its tensors ask for 36"));
  CHECK(contains(with(storage("DoubleStorage", "0", 8)), "ask for 64"));
  CHECK(contains(with(storage("FloatStorage", "0", INT64_MAX)), "items: the file is damaged"));
  CHECK(contains(with(storage("FloatStorage", "0", -1)), "without a key and a size"));
  CHECK(contains(with(storage("FloatStorage", "1", 8)), "no storage '1' in the archive"));
  CHECK(contains(with(storage("FloatStorage", "../data.pkl", 8)), "no storage '../data.pkl' in the archive"));
  CHECK(contains(with(storage("MagicStorage", "0", 8)), "a storage of an unknown class"));
  CHECK(contains(with("N"), "a tensor without a storage"));
  CHECK(contains(with("NQ"), "is none"));
  CHECK(contains(tensor_refusal(global("torch._utils", "_rebuild_tensor_v2") + ")R"), "lacks its sizes"));
  const std::string value = dict({{"w", tensor(storage("FloatStorage", "0", 8), 0, {8}, {1})}});
  CHECK(refusal(torch_legacy(value, {{"0", 8, eight}})) == "accepted");
  CHECK(contains(refusal(torch_legacy(value, {{"0", 9, eight}})), "truncated or damaged"));
  CHECK(contains(refusal(torch_legacy(value, {{"0", -1, eight}})), "damaged"));
  CHECK(contains(refusal(torch_legacy(value, {{"0", 8, eight.substr(1)}})), "truncated or damaged"));
  CHECK(contains(refusal(torch_legacy(value, {})), "no storage '0'"));
  CHECK(contains(refusal(torch_legacy(value, {{"1", 8, eight}})), "that no tensor views"));
  CHECK(contains(refusal(torch_legacy(value, {{"0", 8, eight}, {"0", 8, eight}})), "is there twice"));
}

TEST_CASE("two values of one name are refused") {
  const std::string w = tensor(storage("FloatStorage", "0", 8), 0, {1}, {1});
  CHECK(contains(tensor_refusal(w), "accepted"));
  CHECK(contains(refusal(torch_zip(dict({{"a.b", w}, {"a", dict({{"b", w}})}}), {{"0", eight}})),
                 "two tensors are called 'a.b'"));
  CHECK(contains(refusal(torch_zip(dict({{"a.b", w}, {"a", dict({{"b", "N"}})}}), {{"0", eight}})),
                 "two values are called 'a.b'"));
}

TEST_CASE("views of storages in the older stream") {
  const std::string view = tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(4),
                                  tuple({text("v"), integer(1), integer(2)})}) +
                           "Q";
  const std::string numbers = raw<float>({1, 2, 3, 4});
  const auto file = parsed(torch_legacy(dict({{"w", tensor(view, 0, {2}, {1})}}), {{"0", 4, numbers}}));
  CHECK(file.read("w", DType::f32).span<float>()[1] == 3);
  CHECK(contains(refusal(torch_legacy(dict({{"w", tensor(view, 0, {3}, {1})}}), {{"0", 4, numbers}})), "does not lie"));
}

TEST_CASE("archives of big-endian machines") {
  const std::string value = dict({{"w", tensor(storage("ShortStorage", "0", 2), 0, {2}, {1})}});
  const std::string bytes =
      zip({{"n/data.pkl", pickled(value)}, {"n/byteorder", "big"}, {"n/data/0", "\1\0\xff\xfe"s}});
  const auto file = parsed(bytes);
  CHECK(file.read("w", DType::f64).span<double>()[0] == 256);
  CHECK(file.read("w", DType::f64).span<double>()[1] == -2);
  CHECK(file.packed("w")[0] == std::byte{0});
}

TEST_CASE("a deflated archive of PyTorch") {
  const std::string value = dict({{"w", tensor(storage("FloatStorage", "0", 8), 0, {8}, {1})}});
  const auto file =
      parsed(zip({{"n/data.pkl", pickled(value), true}, {"n/data/0", raw<float>({0, 1, 2, 3, 4, 5, 6, 7}), true}}));
  CHECK(file.read("w", DType::f32).span<float>()[7] == 7);
  CHECK_FALSE(file.view("w"));
}
