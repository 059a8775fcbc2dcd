#include <cmath>
#include <functional>

#include <doctest/doctest.h>

#include "weft/core/error.h"
#include "weft/io/tensor_file.h"
#include "weft/tests/files.h"

using namespace weft;

// Files that PyTorch wrote (tests/fixtures/make_torch.py), and what they hold.

namespace {

TensorFile fixture(const std::string& name) {
  return TensorFile::open(std::filesystem::path(WEFT_SOURCE_DIR) / "tests/fixtures/torch" / name);
}

std::vector<double> numbers(const TensorFile& file, const std::string& name) {
  const Tensor tensor = file.read(name, DType::f64);
  const auto span = tensor.span<double>();
  return {span.begin(), span.end()};
}

std::vector<double> counted(std::size_t count, const std::function<double(std::size_t)>& value) {
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(value(i));
  return result;
}

std::string record(const TensorFile& file, const std::string& name) {
  for (const auto& record : file.records())
    if (record.name == name) return record.str();
  return "no record";
}

void check_state(const TensorFile& file, bool has_f8) {
  CHECK(file.tensors().size() == (has_f8 ? 15 : 14));
  CHECK(file.tensors()[0].name == "embed.weight");
  const auto& embed = file.tensor("embed.weight");
  CHECK(embed.shape == Shape{4, 6});
  CHECK(embed.contiguous());
  CHECK(embed.same_numbers(file.tensor("head.weight")));
  CHECK_FALSE(embed.same_numbers(file.tensor("transposed")));
  CHECK(embed.storage == file.tensor("transposed").storage);
  CHECK(embed.storage != file.tensor("half").storage);
  CHECK(numbers(file, "head.weight") == counted(24, [](std::size_t i) { return i; }));
  CHECK(file.tensor("transposed").shape == Shape{6, 4});
  CHECK(numbers(file, "transposed") == counted(24, [](std::size_t i) { return i % 4 * 6 + i / 4; }));
  CHECK(numbers(file, "sliced") == std::vector<double>{8, 9, 10, 14, 15, 16});
  CHECK(numbers(file, "expanded") == std::vector<double>(6, 7.0));
  CHECK(file.tensor("expanded").shape == Shape{2, 3});
  CHECK(file.tensor("parameter").type == NumberType::f64);
  CHECK(numbers(file, "parameter") == std::vector<double>{1.5, -2.5});
  CHECK(file.tensor("half").type == NumberType::f16);
  CHECK(numbers(file, "half") == std::vector<double>{0.0999755859375, 65504, -std::ldexp(2, -24)});
  CHECK(file.tensor("bf16").type == NumberType::bf16);
  CHECK(numbers(file, "bf16")[0] == 0.10009765625);
  CHECK(file.tensor("long").type == NumberType::i64);
  CHECK(numbers(file, "long") == std::vector<double>{1099511627776.0, -1});
  CHECK(numbers(file, "int") == std::vector<double>{-7});
  CHECK(numbers(file, "byte") == std::vector<double>{255});
  CHECK(file.tensor("mask").type == NumberType::boolean);
  CHECK(numbers(file, "mask") == std::vector<double>{1, 0, 1});
  CHECK(file.tensor("scalar").shape == Shape{});
  CHECK(numbers(file, "scalar") == std::vector<double>{3});
  CHECK(file.tensor("empty").shape == Shape{0, 4});
  CHECK(numbers(file, "empty").empty());
  CHECK(record(file, "complex") == "opaque tensor of torch.ComplexFloatStorage");
  CHECK(file.records().size() == 1);
  CHECK(file.read("half", DType::f32).span<float>()[1] == 65504.0f);
  if (has_f8) CHECK(numbers(file, "f8") == std::vector<double>{0.1015625, 448, -3});
}

}  // namespace

TEST_CASE("a state dict of PyTorch: tied, transposed, sliced and expanded tensors of every type") {
  const auto file = fixture("state.pth");
  CHECK(file.format() == "torch");
  check_state(file, true);
  const auto view = file.view("head.weight");
  REQUIRE(view);
  CHECK(view->span<float>()[23] == 23);
  CHECK(view->raw() == file.view("embed.weight")->raw());
  CHECK_FALSE(file.view("transposed"));
  CHECK_FALSE(file.view("half"));
}

TEST_CASE("the stream of PyTorch before 1.6") {
  const auto file = fixture("state_legacy.pth");
  CHECK(file.format() == "legacy torch");
  check_state(file, false);
}

TEST_CASE("a checkpoint: nested dicts, an optimiser's state, an object of an unknown class") {
  const auto file = fixture("checkpoint.pt");
  CHECK(file.tensor("model.0.weight").shape == Shape{3, 2});
  // Adam's first step moves every number by the learning rate.
  CHECK(numbers(file, "model.0.weight")[5] == doctest::Approx(5 - 0.125));
  CHECK(numbers(file, "model.1.num_batches_tracked") == std::vector<double>{0});
  CHECK(numbers(file, "optimizer.state.0.exp_avg") == std::vector<double>(6, static_cast<double>(0.1f)));
  CHECK(numbers(file, "optimizer.state.3.step") == std::vector<double>{1});
  CHECK(record(file, "optimizer.param_groups.0.lr") == "0.125");
  CHECK(record(file, "optimizer.param_groups.0.betas.1") == "0.999");
  CHECK(record(file, "optimizer.param_groups.0.params.3") == "3");
  CHECK(record(file, "optimizer.param_groups.0.amsgrad") == "False");
  CHECK(record(file, "config") == "opaque __main__.Config");
  CHECK(record(file, "config.layers") == "3");
  CHECK(record(file, "config.activation") == "'relu'");
  CHECK(record(file, "epoch") == "12");
  CHECK(record(file, "loss") == "0.5");
  CHECK(record(file, "note") == "'näht'");
  CHECK(record(file, "flags.0") == "True");
  CHECK(record(file, "flags.1") == "None");
  CHECK(record(file, "flags.2.1") == "2");
  CHECK(record(file, "device") == "opaque torch.device");
  CHECK(record(file, "dtype") == "opaque torch.float32");
  CHECK(record(file, "size.0") == "3");
  CHECK(record(file, "best").starts_with("opaque numpy"));
}

TEST_CASE("a tensor alone, of protocol 4") {
  const auto file = fixture("alone.pt");
  CHECK(numbers(file, "tensor") == std::vector<double>{0, 1, 2});
}

TEST_CASE("an archive of TorchScript is refused with the line that converts it") {
  try {
    fixture("script.pt");
    FAIL("accepted");
  } catch (const FormatError& error) {
    CHECK(std::string(error.what())
              .ends_with("a TorchScript archive, which holds code. Python converts it: "
                         "torch.save(torch.jit.load(FILE).state_dict(), OUT)"));
  }
}

TEST_CASE("a file of PyTorch is written as safetensors, rounded to its types, all else byte for byte") {
  const auto file = fixture("state.pth");
  const TemporaryFolder folder;
  const double values[] = {0.1, 1e-9, 70};
  save_tensor_file_like(folder / "out.safetensors", file, {{"bf16", Tensor::from<double>(values, {3})}});
  const auto again = TensorFile::open(folder / "out.safetensors");
  CHECK(again.format() == "safetensors");
  REQUIRE(again.tensors().size() == file.tensors().size());
  for (std::size_t i = 0; i < file.tensors().size(); ++i) {
    const FileTensor &before = file.tensors()[i], &after = again.tensors()[i];
    CHECK(after.name == before.name);
    CHECK(after.type == before.type);
    CHECK(after.shape == before.shape);
    if (before.name != "bf16") CHECK(again.packed(after.name) == file.packed(before.name));
  }
  CHECK(numbers(again, "bf16") == std::vector<double>{0.10009765625, 9.968061931431293e-10, 70});
}
