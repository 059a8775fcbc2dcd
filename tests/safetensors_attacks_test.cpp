#include "weft/tests/safetensors_attacks.h"

#include <set>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/io/safetensors.h"

using namespace weft;

namespace {

/// The message of the FormatError that refuses the bytes, or what else happened.
std::string refusal(const std::string& bytes) {
  try {
    SafeTensors::parse(std::as_bytes(std::span(bytes)), "file");
  } catch (const FormatError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("every rule of the safetensors format has its own message, word for word") {
  std::set<std::string> names;
  for (const auto& attack : safetensors_attacks()) {
    INFO(attack.name);
    CHECK(names.insert(attack.name).second);
    CHECK(refusal(attack.bytes) == "[safetensors] 'file': " + attack.message);
  }
}

TEST_CASE("what the attacks are variations of is accepted") {
  const std::string x = R"("x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string y = R"("y":{"data_offsets":[8,12],"shape":[1,1,1,1,1,1,1,1],"dtype":"F32"})";
  const std::string header = "{" + y + R"( , "__metadata__" : {"a":"1","":""} ,)" + x + "}  ";
  const std::string bytes = safetensors_file(header, 12);
  const auto file = SafeTensors::parse(std::as_bytes(std::span(bytes)), "file");
  CHECK(file.names() == std::vector<std::string>{"y", "x"});
  CHECK(file.metadata() == Metadata{{"", ""}, {"a", "1"}});
  CHECK(file.shape("y") == Shape{1, 1, 1, 1, 1, 1, 1, 1});
  CHECK(file.dtype("x") == DType::f32);
  CHECK(refusal(safetensors_file("{}", 0)) == "accepted");
  CHECK(refusal(safetensors_file(R"({"__metadata__":{}})", 0)) == "accepted");
  // A large size beside a zero is fine as long as the others do not overflow.
  CHECK(refusal(safetensors_file(one_entry(R"("dtype":"F32","shape":[0,1000000],"data_offsets":[0,0])"), 0)) ==
        "accepted");
}

TEST_CASE("a truncated file is refused at every length") {
  const std::string whole = safetensors_file(one_entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), 8);
  REQUIRE(refusal(whole) == "accepted");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    CHECK(refusal(whole.substr(0, length)) != "accepted");
  }
}
