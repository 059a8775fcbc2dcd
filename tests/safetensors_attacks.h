#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

// One malformed safetensors file for every rule of the format, with the message that must refuse it: read by the test,
// and the seeds of the fuzzer's corpus.

struct SafeTensorsAttack {
  std::string name;
  std::string bytes;
  std::string message;  ///< what follows "[safetensors] 'file': "
};

inline std::string safetensors_file(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\0');
}

inline std::string length_only(std::uint64_t length, std::size_t following) {
  std::string bytes(sizeof length + following, ' ');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes;
}

/// A header with the one tensor 'x'.
inline std::string one_entry(const std::string& fields) { return "{\"x\":{" + fields + "}}"; }

inline std::vector<SafeTensorsAttack> safetensors_attacks() {
  const std::string f32 = R"("dtype":"F32")", shape2 = R"("shape":[2])", offsets8 = R"("data_offsets":[0,8])";
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return R"({"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
  };
  const auto with_dtype = [&](const std::string& d) {
    return safetensors_file("{\"x\":" + entry(d, "[2]", "[0,8]") + "}", 8);
  };
  const auto with_shape = [&](const std::string& s) {
    return safetensors_file("{\"x\":" + entry("\"F32\"", s, "[0,8]") + "}", 8);
  };
  const auto with_offsets = [&](const std::string& o) {
    return safetensors_file("{\"x\":" + entry("\"F32\"", "[2]", o) + "}", 8);
  };
  const auto two = [&](const std::string& first, const std::string& second, std::size_t data_bytes) {
    return safetensors_file(
        "{\"x\":" + entry("\"F32\"", "[2]", first) + ",\"y\":" + entry("\"F32\"", "[1]", second) + "}", data_bytes);
  };
  const std::string has_dtypes = "; weft has float32, float64, int32 and uint8 (F32, F64, I32, U8)";
  const std::string shape_holds = "'shape' of tensor 'x' holds ",
                    integers = "; allowed: non-negative integers below 2^63";
  const std::string offsets_hold = "'data_offsets' of tensor 'x' holds ";
  const std::string two_offsets = "'data_offsets' of tensor 'x' must be two numbers: where its bytes begin and end";
  const std::string not_safetensors =
      "; allowed: safetensors files. Python writes one of PyTorch's weights by "
      "safetensors.torch.save_file(torch.load(FILE, weights_only=True), OUT)";
  const std::string not_json = "the header is not JSON: unexpected text before byte ";
  const auto metadata = [](const std::string& m) { return safetensors_file("{\"__metadata__\":" + m + "}", 0); };

  return {
      // the length
      {"empty", "", "0 bytes; a safetensors file has at least 8, the length of its header"},
      {"short", "1234567", "7 bytes; a safetensors file has at least 8, the length of its header"},
      {"length-0", length_only(0, 8), "the header has length 0; the shortest one is '{}'"},
      {"length-100000001", length_only(100000001, 8), "the header has length 100000001; allowed: at most 100000000"},
      {"length-huge", length_only(~std::uint64_t{0}, 8),
       "the header has length 18446744073709551615; allowed: at most 100000000"},
      {"length-past-end", length_only(9, 8),
       "the header has length 9, but only 8 bytes follow: the file is truncated or not safetensors"},
      // other formats
      {"zip", "PK\3\4 and the rest of an archive", "a zip archive, as .pth, .pt and .npz files are" + not_safetensors},
      {"pickle",
       "\x80\2\x8a\nl\xfc\x9c"
       "F\xf9 j",
       "a Python pickle, as older .pth and .pt files are" + not_safetensors},
      {"hdf5", "\x89HDF\r\n\x1a\n and the rest", "an HDF5 file; allowed: safetensors files"},
      // JSON
      {"not-object", safetensors_file("[1]", 0),
       "the header begins with '['; allowed: a JSON object, beginning with '{'"},
      {"space-first", safetensors_file(" {}", 0),
       "the header begins with ' '; allowed: a JSON object, beginning with '{'"},
      {"byte-order-mark", safetensors_file("\xef\xbb\xbf{}", 0),
       "the header begins with '\\xef'; allowed: a JSON object, beginning with '{'"},
      {"truncated-json", safetensors_file("{\"x\":", 0), not_json + "5 of 5"},
      {"two-values", safetensors_file("{}{}", 0), not_json + "3 of 4"},
      {"bad-utf8", safetensors_file("{\"\xff\":1}", 0), not_json + "3 of 7"},
      {"not-a-number", with_shape("[NaN]"), not_json + "30 of 56"},
      {"nul-padding", safetensors_file(std::string("{}\0\0", 4), 0),
       "byte 2 of the header is NUL; pad a header with spaces"},
      // nesting: refused at the first bracket out of place, however many follow
      {"depth-arrays", safetensors_file("{\"x\":" + std::string(20000, '['), 0),
       "tensor 'x' is an array; allowed: an object"},
      {"depth-in-shape", with_shape(std::string(20000, '[')), shape_holds + "an array" + integers},
      {"depth-objects", with_dtype("{\"a\":{\"a\":{}}}"), "'dtype' of tensor 'x' is an object; allowed: a string"},
      // entries
      {"entry-number", safetensors_file("{\"x\":1}", 0), "tensor 'x' is a number; allowed: an object"},
      {"entry-null", safetensors_file("{\"x\":null}", 0), "tensor 'x' is null; allowed: an object"},
      {"entry-boolean", safetensors_file("{\"x\":true}", 0), "tensor 'x' is a boolean; allowed: an object"},
      {"duplicate-tensor",
       safetensors_file(
           "{\"x\":" + entry("\"F32\"", "[2]", "[0,8]") + ",\"x\":" + entry("\"F32\"", "[2]", "[0,8]") + "}", 8),
       "the header has 'x' twice"},
      {"duplicate-field", safetensors_file(one_entry(f32 + "," + f32 + "," + shape2 + "," + offsets8), 8),
       "tensor 'x' has 'dtype' twice"},
      {"no-dtype", safetensors_file(one_entry(shape2 + "," + offsets8), 8), "tensor 'x' has no 'dtype'"},
      {"no-shape", safetensors_file(one_entry(f32 + "," + offsets8), 8), "tensor 'x' has no 'shape'"},
      {"no-offsets", safetensors_file(one_entry(f32 + "," + shape2), 8), "tensor 'x' has no 'data_offsets'"},
      {"unknown-field", safetensors_file(one_entry(f32 + R"(,"strides":[1])"), 8),
       "tensor 'x' has the unknown field 'strides'; allowed: dtype, shape, data_offsets"},
      {"name-escaped", safetensors_file("{\"a\\nb\":1}", 0), "tensor 'a\\x0ab' is a number; allowed: an object"},
      {"name-long", safetensors_file("{\"" + std::string(1000, 'n') + "\":1}", 0),
       "tensor '" + std::string(200, 'n') + "...' is a number; allowed: an object"},
      // dtype
      {"dtype-f16", with_dtype("\"F16\""), "tensor 'x' has the dtype 'F16'" + has_dtypes},
      {"dtype-bf16", with_dtype("\"BF16\""), "tensor 'x' has the dtype 'BF16'" + has_dtypes},
      {"dtype-i64", with_dtype("\"I64\""), "tensor 'x' has the dtype 'I64'" + has_dtypes},
      {"dtype-bool", with_dtype("\"BOOL\""), "tensor 'x' has the dtype 'BOOL'" + has_dtypes},
      {"dtype-unknown", with_dtype("\"f32\""), "tensor 'x' has the unknown dtype 'f32'" + has_dtypes},
      {"dtype-number", with_dtype("1"), "'dtype' of tensor 'x' is a number; allowed: a string"},
      {"dtype-array", with_dtype("[]"), "'dtype' of tensor 'x' is an array; allowed: a string"},
      // shape
      {"shape-string", with_shape("\"2\""),
       "'shape' of tensor 'x' is a string; allowed: an array of non-negative integers"},
      {"shape-negative", with_shape("[-2]"), shape_holds + "the negative number -2" + integers},
      {"shape-negative-zero", with_shape("[-0]"), shape_holds + "the negative number -0" + integers},
      {"shape-fraction", with_shape("[2.0]"),
       shape_holds + "'2.0', which is not written as an integer of at most 64 bits" + integers},
      {"shape-exponent", with_shape("[2e0]"),
       shape_holds + "'2e0', which is not written as an integer of at most 64 bits" + integers},
      {"shape-2^63", with_shape("[9223372036854775808]"),
       shape_holds + "9223372036854775808, which is too large" + integers},
      {"shape-1e400", with_shape("[1e400]"),
       "the number before byte 34 of the header is too large; sizes are below 2^63"},
      {"shape-text", with_shape("[\"2\"]"), shape_holds + "a string" + integers},
      {"shape-overflow", with_shape("[4611686018427387904,2]"),
       "tensor 'x': the axis of 4611686018427387904 makes it too large; allowed: fewer than 2^60 numbers"},
      {"shape-overflow-then-0", with_shape("[4611686018427387904,4611686018427387904,0]"),
       "tensor 'x': the axis of 4611686018427387904 makes it too large; allowed: fewer than 2^60 numbers"},
      {"shape-overflow-after-0", with_shape("[0,4611686018427387904,4611686018427387904]"),
       "tensor 'x': the axis of 4611686018427387904 makes it too large; allowed: fewer than 2^60 numbers"},
      {"shape-9-axes", with_shape("[1,1,1,1,1,1,1,1,2]"), "tensor 'x' has more than 8 axes; allowed: 0 to 8"},
      {"shape-too-small", with_shape("[1]"), "tensor 'x': float32 of shape [1] takes 4 bytes; the file has 8 for it"},
      {"shape-too-large", with_shape("[3]"), "tensor 'x': float32 of shape [3] takes 12 bytes; the file has 8 for it"},
      // data_offsets
      {"offsets-none", with_offsets("[]"), two_offsets},
      {"offsets-one", with_offsets("[0]"), two_offsets},
      {"offsets-three", with_offsets("[0,8,8]"), two_offsets},
      {"offsets-object", with_offsets("{}"),
       "'data_offsets' of tensor 'x' is an object; allowed: an array of non-negative integers"},
      {"offsets-negative", with_offsets("[-8,0]"), offsets_hold + "the negative number -8" + integers},
      {"offsets-fraction", with_offsets("[0,8.5]"),
       offsets_hold + "'8.5', which is not written as an integer of at most 64 bits" + integers},
      {"offsets-2^64", with_offsets("[0,18446744073709551616]"),
       offsets_hold + "'18446744073709551616', which is not written as an integer of at most 64 bits" + integers},
      {"offsets-backwards", with_offsets("[8,0]"), "tensor 'x' begins at byte 8 of the data and ends at 0"},
      {"offsets-past-end", with_offsets("[0,16]"),
       "tensor 'x' ends at byte 16 of the data, which has 8 bytes: the file is truncated or its header wrong"},
      // layout
      {"gap-first", with_offsets("[8,16]") + std::string(8, '\0'),
       "tensor 'x' begins at byte 8 of the data, the tensor before it ends at 0: gaps are not allowed"},
      {"gap", two("[0,8]", "[12,16]", 16),
       "tensor 'y' begins at byte 12 of the data, the tensor before it ends at 8: gaps are not allowed"},
      {"overlap", two("[0,8]", "[4,8]", 8),
       "tensor 'y' begins at byte 4 of the data, the tensor before it ends at 8: tensors may not overlap"},
      {"trailing", two("[0,8]", "[8,12]", 13), "1 bytes follow the last tensor; allowed: none"},
      {"trailing-no-tensor", safetensors_file("{}", 3), "3 bytes follow the last tensor; allowed: none"},
      // __metadata__
      {"metadata-array", metadata("[]"), "'__metadata__' is an array; allowed: an object"},
      {"metadata-string", metadata("\"a\""), "'__metadata__' is a string; allowed: an object"},
      {"metadata-number", metadata("{\"a\":1}"), "__metadata__: 'a' is a number; allowed: a string"},
      {"metadata-object", metadata("{\"a\":{}}"), "__metadata__: 'a' is an object; allowed: a string"},
      {"metadata-null", metadata("{\"a\":null}"), "__metadata__: 'a' is null; allowed: a string"},
      {"metadata-duplicate", metadata("{\"a\":\"1\",\"a\":\"1\"}"), "__metadata__ has 'a' twice"},
      {"metadata-twice", safetensors_file(R"({"__metadata__":{},"__metadata__":{}})", 0),
       "the header has '__metadata__' twice"},
      {"metadata-null-before-tensor", safetensors_file(R"({"__metadata__":null,"x":1})", 0),
       "'__metadata__' is null; allowed: an object"},
  };
}
