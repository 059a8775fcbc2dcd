#pragma once
// A cursor over the text of spaces and terms (spec 7.1): skips white space and comments, knows line and column for
// messages.

#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

#include "weft/core/error.h"

namespace weft {

class Lexer {
 public:
  /// `what` names the language in messages ("space"). With `lines`, a line break ends a statement and is not skipped.
  Lexer(std::string_view text, const char* what, bool lines) : text_(text), what_(what), lines_(lines) { skip(); }

  bool done() const { return at_ == text_.size(); }
  bool at_line_end() const { return done() || text_[at_] == '\n'; }
  int line() const { return line_; }

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
    throw ParseError("[{}] line {}, column {}: {}, found '{}'", what_, line_, at_ - line_begin_ + 1, why,
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
  std::size_t at_ = 0, line_begin_ = 0;
  int line_ = 1;
};

}  // namespace weft
