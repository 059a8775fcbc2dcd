#include "weft/io/safetensors_json.h"

#include <algorithm>
#include <array>
#include <limits>

#include <nlohmann/json.hpp>

#include "weft/core/error.h"
#include "weft/io/text.h"

namespace weft {
namespace {

/// Of the format, but of no reader of weft.
constexpr std::array<std::string_view, 5> known_elsewhere{"F4", "F6_E2M3", "F6_E3M2", "F8_E8M0", "C64"};

/// A state machine over the events of the JSON parser. It holds no tree and refuses whatever is out of place at once,
/// so neither deep nesting nor repeated keys get anywhere. It throws through the parser, which is exception-neutral.
class Events final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Events(std::string_view file, SafeTensorsTypes types, SafeTensorsHeader& header, std::size_t length)
      : file_(file), types_(types), header_(header), length_(length) {}

  bool start_object(std::size_t) override {
    if (state_ == State::file)
      state_ = State::top;
    else if (state_ == State::top)
      state_ = in_metadata_ ? State::metadata : State::entry;
    else
      refuse("an object");
    return true;
  }

  bool end_object() override {
    if (state_ == State::entry) finish_entry();
    state_ = state_ == State::top ? State::file : State::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ != State::entry || field_ == dtype) refuse("an array");
    state_ = State::numbers;
    return true;
  }

  bool end_array() override {
    if (field_ == offsets && offsets_read_ != 2)
      fail("'data_offsets' of tensor {} must be two numbers: where its bytes begin and end", tensor());
    state_ = State::entry;
    return true;
  }

  bool key(std::string& text) override {
    if (state_ == State::top)
      start_entry(text);
    else if (state_ == State::metadata)
      start_metadata(text);
    else
      start_field(text);
    return true;
  }

  bool string(std::string& text) override {
    if (state_ == State::metadata) {
      value_->second = text;
      return true;
    }
    if (state_ != State::entry || field_ != dtype) refuse("a string");
    entry().type = taken_type(text);
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (state_ != State::numbers) refuse("a number");
    if (value > std::numeric_limits<std::int64_t>::max()) refuse(fmt::format("{}, which is too large", value));
    if (field_ == shape) {
      if (entry().shape.rank() == Shape::max_rank)
        fail("tensor {} has more than {} axes; allowed: 0 to {}", tensor(), Shape::max_rank, Shape::max_rank);
      const auto size = static_cast<std::int64_t>(value);
      if (!entry().shape.takes(size))
        fail("tensor {}: the axis of {} makes it too large; allowed: fewer than 2^60 numbers", tensor(), value);
      entry().shape.push_back(size);
    } else {
      (offsets_read_++ == 0 ? entry().begin : entry().end) = value;
    }
    return true;
  }

  bool number_integer(std::int64_t value) override {
    if (state_ != State::numbers) refuse("a number");
    refuse(fmt::format("the negative number {}", value == 0 ? "-0" : std::to_string(value)));
  }

  bool number_float(double, const std::string& text) override {
    if (state_ != State::numbers) refuse("a number");
    refuse(fmt::format("{}, which is not written as an integer of at most 64 bits", in_quotes(text)));
  }

  bool null() override { refuse("null"); }
  bool boolean(bool) override { refuse("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { refuse("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    constexpr int out_of_range = 406;
    position = std::min(position, length_);  // it counts the end of the input as a character
    if (error.id == out_of_range)
      fail("the number before byte {} of the header is too large; sizes are below 2^63", position);
    fail("the header is not JSON: unexpected text before byte {} of {}", position, length_);
  }

 private:
  enum class State { file, top, metadata, entry, numbers };
  enum Field : unsigned { dtype = 1, shape = 2, offsets = 4 };

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) const {
    throw FormatError("[safetensors] {}: {}", in_quotes(file_), fmt::format(message, std::forward<Args>(args)...));
  }

  NumberType taken_type(const std::string& text) {
    const auto found = number_type_named(text);
    const bool weft_only = types_ == SafeTensorsTypes::weft;
    if (found && (!weft_only || dtype_of_number(*found))) return *found;
    const bool known =
        found || std::find(known_elsewhere.begin(), known_elsewhere.end(), text) != known_elsewhere.end();
    const char* what = known ? "dtype" : "unknown dtype";
    if (weft_only)
      fail("tensor {} has the {} {}; weft has float32, float64, int32 and uint8 (F32, F64, I32, U8)", tensor(), what,
           in_quotes(text));
    fail("tensor {} has the {} {}; allowed: F64 to F8_E4M3 and F8_E5M2, I8 to I64, U8 to U64, BOOL", tensor(), what,
         in_quotes(text));
  }

  SafeTensorsEntry& entry() { return header_.entries.back(); }
  std::string tensor() { return in_quotes(entry().name); }
  const char* field_name() const { return field_ == dtype ? "dtype" : field_ == shape ? "shape" : "data_offsets"; }

  /// A value of the wrong kind, or in the wrong place.
  [[noreturn]] void refuse(std::string_view what) {
    switch (state_) {
      case State::metadata:
        fail("__metadata__: {} is {}; allowed: a string", in_quotes(value_->first), what);
      case State::entry:
        fail("'{}' of tensor {} is {}; allowed: {}", field_name(), tensor(), what,
             field_ == dtype ? "a string" : "an array of non-negative integers");
      case State::numbers:
        fail("'{}' of tensor {} holds {}; allowed: non-negative integers below 2^63", field_name(), tensor(), what);
      default:
        fail("{} is {}; allowed: an object", in_metadata_ ? "'__metadata__'" : "tensor " + tensor(), what);
    }
  }

  void start_entry(const std::string& name) {
    in_metadata_ = name == SafeTensorsHeader::metadata_key;
    if (in_metadata_ ? metadata_seen_ : !header_.index.try_emplace(name, header_.entries.size()).second)
      fail("the header has {} twice", in_quotes(name));
    metadata_seen_ = metadata_seen_ || in_metadata_;
    if (in_metadata_) return;
    header_.entries.emplace_back().name = name;
    fields_seen_ = 0;
    offsets_read_ = 0;
  }

  void start_metadata(const std::string& name) {
    const auto [place, is_new] = header_.metadata.try_emplace(name);
    if (!is_new) fail("__metadata__ has {} twice", in_quotes(name));
    value_ = place;
  }

  void start_field(const std::string& name) {
    if (name == "dtype")
      field_ = dtype;
    else if (name == "shape")
      field_ = shape;
    else if (name == "data_offsets")
      field_ = offsets;
    else
      fail("tensor {} has the unknown field {}; allowed: dtype, shape, data_offsets", tensor(), in_quotes(name));
    if (fields_seen_ & field_) fail("tensor {} has '{}' twice", tensor(), field_name());
    fields_seen_ |= field_;
  }

  void finish_entry() {
    for (Field f : {dtype, shape, offsets}) {
      field_ = f;
      if (!(fields_seen_ & f)) fail("tensor {} has no '{}'", tensor(), field_name());
    }
  }

  std::string_view file_;
  SafeTensorsTypes types_;
  SafeTensorsHeader& header_;
  std::size_t length_;
  State state_ = State::file;
  bool in_metadata_ = false, metadata_seen_ = false;
  std::map<std::string, std::string>::iterator value_;
  Field field_ = dtype;
  unsigned fields_seen_ = 0;
  int offsets_read_ = 0;
};

}  // namespace

void read_safetensors_json(std::string_view text, std::string_view file, SafeTensorsTypes types,
                           SafeTensorsHeader& header) {
  // The JSON parser takes a NUL for the end of its input and would not look at what follows.
  if (const auto nul = text.find('\0'); nul != text.npos)
    throw FormatError("[safetensors] {}: byte {} of the header is NUL; pad a header with spaces", in_quotes(file), nul);
  if (text.front() != '{')
    throw FormatError("[safetensors] {}: the header begins with {}; allowed: a JSON object, beginning with '{{'",
                      in_quotes(file), in_quotes(text.substr(0, 1)));
  Events events(file, types, header, text.size());
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
}

}  // namespace weft
