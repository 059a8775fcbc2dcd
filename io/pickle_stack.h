#pragma once

#include <cstring>
#include <unordered_map>

#include "weft/core/error.h"
#include "weft/io/pickle.h"
#include "weft/io/text.h"

namespace weft {

/// What the machine of io/pickle.cpp works on: the program, the table of values, the stack with its marks, and the
/// memo. Each is bounded; what the program asks for beyond throws FormatError.
class PickleStack {
 protected:
  PickleStack(std::vector<PickleValue>& values, std::span<const std::byte> bytes, std::string_view file)
      : values_(values), bytes_(bytes), file_(file) {}

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) const {
    throw FormatError("[torch] {}: the pickle, at byte {}: {}", in_quotes(file_), at_,
                      fmt::format(message, std::forward<Args>(args)...));
  }

  // --- the program

  std::string_view take_bytes(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("it ends in the middle: the file is truncated or damaged");
    const std::string_view result(reinterpret_cast<const char*>(bytes_.data()) + at_, count);
    at_ += count;
    return result;
  }

  template <class T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_, bytes_.size() - at_);
    const auto end = rest.substr(0, Pickle::longest_global + 1).find('\n');
    if (end == rest.npos) fail("a name without an end");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  // --- values

  PickleRef add(PickleValue value) {
    if (values_.size() >= Pickle::most_values) fail("more than 2^22 values");
    values_.push_back(std::move(value));
    return static_cast<PickleRef>(values_.size() - 1);
  }

  PickleValue& value(PickleRef ref) { return values_[ref]; }

  /// Items that are copied: a list that is used again and again must not multiply.
  void count_copies(std::size_t count) {
    copies_ += count;
    if (copies_ > Pickle::most_values) fail("more than 2^22 values");
  }

  // --- the stack

  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void push(PickleRef ref) { stack_.push_back(ref); }
  void push(PickleValue value) { push(add(std::move(value))); }

  PickleRef top() const {
    if (stack_.size() <= floor()) fail("its stack is empty");
    return stack_.back();
  }

  PickleRef pop() {
    const PickleRef ref = top();
    stack_.pop_back();
    return ref;
  }

  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) fail("no mark");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleRef> result(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return result;
  }

  void check_stack() const {
    if (stack_.size() > Pickle::most_values || marks_.size() > Pickle::most_values)
      fail("its stack has more than 2^22 values");
  }

  // --- the memo

  void put(std::uint32_t place) {
    memo_[place] = top();
    if (memo_.size() > Pickle::most_values) fail("more than 2^22 values");
  }

  void put_next() { put(static_cast<std::uint32_t>(memo_.size())); }

  PickleRef remembered(std::uint32_t place) const {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail("place {} of the memo is empty", place);
    return found->second;
  }

  std::vector<PickleValue>& values_;
  std::span<const std::byte> bytes_;
  std::string_view file_;
  std::size_t at_ = 0, copies_ = 0;
  std::vector<PickleRef> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, PickleRef> memo_;
};

}  // namespace weft
