#pragma once
// A cursor over the text of spaces and terms (spec 7.1): skips white space and comments, knows line and column for
// messages.

#include <cctype>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "weft/core/error.h"

namespace weft {

class Lexer {
 public:
  /// `what` names the language in messages ("space"). With `lines`, a line break ends a statement and is not skipped.
  /// Where the text was made of another one, `source` holds for each of its lines the other's, for messages.
  Lexer(std::string_view text, const char* what, bool lines, std::span<const int> source = {})
      : text_(text), what_(what), lines_(lines), source_(source) {
    skip();
  }

  bool done() const { return at_ == text_.size(); }
  bool at_line_end() const { return done() || text_[at_] == '\n'; }
  int line() const {
    const auto line = static_cast<std::size_t>(line_ - 1);
    return line < source_.size() ? source_[line] : line_;
  }
  std::size_t offset() const { return at_; }
  /// Passes all before `offset`, which lies ahead.
  void pass_to(std::size_t offset) {
    for (; at_ < offset; ++at_)
      if (text_[at_] == '\n') {
        ++line_;
        line_begin_ = at_ + 1;
      }
    skip();
  }
  /// Passes one character, whatever it is.
  void pass() {
    ++at_;
    skip();
  }

  bool peek(std::string_view token) const { return text_.substr(at_).starts_with(token); }
  /// Passes the token if it is next.
  bool take(std::string_view token) {
    if (!peek(token)) return false;
    at_ += token.size();
    skip();
    return true;
  }
  void expect(std::string_view token, const char* where) {
    if (!take(token)) fail(fmt::format("expected '{}' {}", token, where));
  }
  /// Passes white space, line breaks and comments.
  void skip_lines() {
    while (at_ < text_.size() && text_[at_] == '\n') {
      ++at_;
      ++line_;
      line_begin_ = at_;
      skip();
    }
  }

  bool at_letter() const { return !done() && std::isalpha(static_cast<unsigned char>(text_[at_])); }
  bool at_digit() const { return !done() && std::isdigit(static_cast<unsigned char>(text_[at_])); }
  /// letter (\w | ".")*
  std::string name(const char* where) {
    if (!at_letter()) fail(fmt::format("expected a name {}", where));
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || text_[at_] == '.')) ++at_;
    std::string out(text_.substr(begin, at_ - begin));
    skip();
    return out;
  }
  /// \w+
  std::string word(const char* where) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (at_ == begin) fail(fmt::format("expected an index {}", where));
    std::string out(text_.substr(begin, at_ - begin));
    skip();
    return out;
  }
  /// (\w | "." | "{" | "}")+, or any characters but line breaks between quotes: a tensor's name in a file (spec 8.6).
  std::string file_name(const char* where) {
    if (peek("\"")) return quoted(where);
    const std::size_t begin = at_;
    while (at_ < text_.size() && (is_word(text_[at_]) || std::string_view(".{}").find(text_[at_]) != std::string::npos))
      ++at_;
    if (at_ == begin) fail(fmt::format("expected a name {}", where));
    std::string out(text_.substr(begin, at_ - begin));
    skip();
    return out;
  }
  /// (letter | "_") \w* ("." \w+)*: of a config. Two points are no part of it.
  std::string path(const char* where) {
    if (!at_letter() && !peek("_")) fail(fmt::format("expected a name {}", where));
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           (is_word(text_[at_]) || (text_[at_] == '.' && at_ + 1 < text_.size() && is_word(text_[at_ + 1]))))
      ++at_;
    std::string out(text_.substr(begin, at_ - begin));
    skip();
    return out;
  }
  /// What stands between quotes.
  std::string quoted(const char* where) {
    const std::size_t end = peek("\"") ? text_.find_first_of("\"\n", at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos || text_[end] != '"') fail(fmt::format("expected a text in quotes {}", where));
    std::string out(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    skip();
    return out;
  }
  std::int64_t integer(const char* where) {
    const std::size_t begin = at_;
    std::int64_t n = 0;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      n = n * 10 + (text_[at_++] - '0');
      if (n > INT32_MAX) fail(fmt::format("a number too large {}; allowed: at most {}", where, INT32_MAX));
    }
    if (at_ == begin) fail(fmt::format("expected a number {}", where));
    skip();
    return n;
  }

  [[noreturn]] void fail(const std::string& why) const {
    const std::string_view rest = text_.substr(at_, 12);
    throw ParseError("[{}] line {}, column {}: {}, found '{}'", what_, line(), at_ - line_begin_ + 1, why,
                     done() ? "end" : rest.substr(0, rest.find('\n')));
  }

 private:
  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
  void skip() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == '\n' && !lines_) {
        ++at_;
        ++line_;
        line_begin_ = at_;
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string_view text_;
  const char* what_;
  bool lines_;
  std::span<const int> source_;
  std::size_t at_ = 0, line_begin_ = 0;
  int line_ = 1;
};

}  // namespace weft
