#include <clocale>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/io/tensor_file.h"
#include "weft/tests/archives.h"
#include "weft/tests/files.h"

using namespace weft;
using namespace archives;
using namespace std::string_literals;

namespace {

TensorFile fixture(const std::string& name) {
  return TensorFile::open(std::filesystem::path(WEFT_SOURCE_DIR) / "tests/fixtures/torch" / name);
}

TensorFile parsed(const std::string& bytes) {
  const auto kept = std::make_shared<const std::string>(bytes);
  return TensorFile::parse(std::as_bytes(std::span(*kept)), "x", kept);
}

std::string refusal(const std::string& bytes) {
  try {
    const auto file = parsed(bytes);
    for (const auto& tensor : file.tensors()) file.read(tensor.name, DType::f64);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

std::vector<double> numbers(const TensorFile& file, const std::string& name) {
  const Tensor tensor = file.read(name, DType::f64);
  const auto span = tensor.span<double>();
  return {span.begin(), span.end()};
}

const std::vector<double> six = {0, 1, 2, 3, 4, 5};

}  // namespace

TEST_CASE("arrays that numpy wrote, of all versions of the format") {
  const auto first = fixture("v1.npy");
  CHECK(first.format() == "npy");
  CHECK(first.tensor("tensor").shape == Shape{2, 3});
  CHECK(first.tensor("tensor").strides[1] == 2);  // column by column
  CHECK(first.tensor("tensor").big_endian);
  CHECK(numbers(first, "tensor") == six);
  CHECK_FALSE(first.view("tensor"));
  for (const char* name : {"v2.npy", "v3.npy"}) {
    const auto file = fixture(name);
    CHECK(file.tensor("tensor").type == NumberType::i64);
    CHECK(numbers(file, "tensor") == std::vector<double>{0, 1, 2, 3});
  }
}

TEST_CASE("archives that numpy wrote, stored and compressed") {
  const auto file = fixture("arrays.npz");
  CHECK(file.format() == "npz");
  CHECK(file.listing() == "5: 'a', 'b', 'c', 'd', 'e'");
  CHECK(numbers(file, "a") == six);
  CHECK(numbers(file, "b") == six);
  CHECK(file.tensor("b").type == NumberType::i16);
  CHECK(numbers(file, "c") == std::vector<double>{2.5});
  CHECK(file.tensor("c").shape == Shape{});
  CHECK(file.tensor("d").shape == Shape{0, 3});
  CHECK(numbers(file, "e") == std::vector<double>(2000, 0.0));
  CHECK_FALSE(file.view("a"));
  CHECK(numbers(fixture("stored.npz"), "net/w") == std::vector<double>{0, 1, 2, 3});
}

TEST_CASE("headers as they may be written") {
  const std::string data = raw<float>({0, 1, 2, 3, 4, 5});
  for (const char* header : {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                             "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
                             "{'descr': '=f4', 'fortran_order' : False, 'shape': (2L, 3L)} "})
    for (int version = 1; version <= 3; ++version) CHECK(numbers(parsed(npy(header, data, version)), "tensor") == six);
  const auto view = parsed(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", data)).view("tensor");
  REQUIRE(view);
  CHECK(view->span<float>()[5] == 5);
  CHECK(numbers(parsed(npy("{'descr': '|b1', 'fortran_order': True, 'shape': (), }", "\1")), "tensor") ==
        std::vector<double>{1});
}

TEST_CASE("the locale says nothing about sizes") {
  const std::string old = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"de_DE.UTF-8", "en_US.UTF-8", "C.UTF-8"}) {
    if (!std::setlocale(LC_ALL, locale)) continue;
    CHECK(parsed(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 234), }", std::string(234, 'x')))
              .tensor("tensor")
              .shape == Shape{1, 234});
  }
  std::setlocale(LC_ALL, old.c_str());
}

TEST_CASE("every way in which an array can be wrong is said") {
  const std::string data(24, '\0');
  const auto header = [&](const std::string& text) { return refusal(npy(text, data)); };
  const auto type = [&](const std::string& text) {
    return header("{'descr': " + text + ", 'fortran_order': False, 'shape': (2, 3), }");
  };
  const auto shape = [&](const std::string& text) {
    return header("{'descr': '<f4', 'fortran_order': False, 'shape': " + text + ", }");
  };
  REQUIRE(shape("(2, 3)") == "accepted");
  CHECK(contains(shape("(2, 4)"), "[npy] 'x': F32 of shape [2, 4] takes 32 bytes; the file has 24"));
  CHECK(contains(shape("(2, 2)"), "takes 16 bytes; the file has 24"));
  CHECK(contains(shape("(-2, 3)"), "where a size is due"));
  CHECK(contains(shape("(2, 3"), "is due"));
  CHECK(contains(shape("2"), "where '(' is due"));
  CHECK(contains(shape("(99999999999999999999,)"), "where a size is due"));
  CHECK(contains(shape("(4294967296, 4294967296)"), "too large"));
  CHECK(contains(shape("(1,1,1,1,1,1,1,1,6)"), "more than 8 axes"));
  CHECK(contains(type("'|O'"), "'|O', pickled Python objects; allowed: f2 to f8"));
  CHECK(contains(type("'<c8'"), "which are complex"));
  CHECK(contains(type("'<U3'"), "numbers of type '<U3'"));
  CHECK(contains(type("[('a', '<f4')]"), "records with fields"));
  CHECK(contains(type("''"), "numbers of type ''"));
  CHECK(contains(type("3"), "where a text is due"));
  CHECK(contains(header("{'descr': '<f4', 'shape': (6,), }"), "lacks one of"));
  CHECK(contains(header("{'descr': '<f4', 'descr': '<f4', }"), "has 'descr' twice"));
  CHECK(contains(header("{'descr': '<f4', 'x': 1}"), "its header has 'x'"));
  CHECK(contains(header("{'descr': '<f4', 'fortran_order': 1, }"), "where True or False is due"));
  CHECK(contains(header("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), } x"), "goes on behind its end"));
  CHECK(contains(header("__import__('os').system('ls')"), "where '{' is due"));
  CHECK(contains(refusal("\x93NUMPY\4\0"s + std::string(100, ' ')), "version 4.0"));
  CHECK(contains(refusal("\x93NUMPY\2\0\xff\xff\xff\xff"s), "a header of 4294967295 bytes"));
  CHECK(contains(refusal("\x93NUMPY\1\0\xff\xff"s), "within its header"));
}

TEST_CASE("archives that lie are refused") {
  const std::string array =
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000,), }", std::string(4000, '\0'));
  REQUIRE(refusal(zip({{"a.npy", array, true}})) == "accepted");
  CHECK(contains(refusal(zip({{"a.npy", array, true, 1}})), "does not unpack to the 4129 bytes"));
  CHECK(contains(refusal(zip({{"a.npy", array, true, -3999}})), "does not unpack to the 129 bytes"));
  CHECK(contains(refusal(zip({{"a.npy", array, false, 1}})), "damaged"));
  CHECK(contains(refusal(zip({{"a.npy", array, true, 0, 1}})), "does not begin where the table of contents says"));
  CHECK(contains(refusal(zip({{"a.npy", array, true, 0xf0000000 - 5000}})), "which deflate cannot"));
  CHECK(contains(refusal(zip({{"a.npy", array, false, 0, 0, 12}})), "is compressed by method 12"));
  CHECK(contains(refusal(zip({{"a.npy", array, false, 0, 0, -1, 1}})), "is encrypted"));
  CHECK(contains(refusal(zip({{"a.npy", array}, {"a.npy", array}})), "two entries are called 'a.npy'"));
  CHECK(contains(refusal(zip({{"a.npy", array}, {"b.txt", "x"}})), "with 'b.txt'; allowed: names that end in .npy"));
  // A header that claims what its archive could not hold, and one that the sizes bear out but the data does not.
  const std::string huge = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }", "");
  CHECK(contains(refusal(zip({{"a.npy", huge, true}})), "takes 800000000000 bytes"));
  std::string damaged = zip({{"a.npy", array, true}});
  damaged[60] = static_cast<char>(damaged[60] ^ 0x55);
  CHECK(refusal(damaged) != "accepted");
  // A wrong checksum.
  std::string checksum = zip({{"a.npy", array, true}});
  const auto table = checksum.rfind("PK\1\2");
  checksum[14] = static_cast<char>(checksum[14] ^ 1);
  checksum[table + 16] = static_cast<char>(checksum[table + 16] ^ 1);
  CHECK(contains(refusal(checksum), "does not unpack to the"));
}
