#include <cctype>

#include "weft/groups/space_grammar.h"
#include "weft/networks/files/file_text.h"
#include "weft/networks/files/template.h"

namespace weft {

/// Of blocks within blocks.
static constexpr int max_depth = 32;

/// The text with every loop turned once, and "{}" for what stands between braces: with both sides of every condition,
/// or only with what stands under none.
static void add_all(const std::vector<TemplateNode>& nodes, bool conditional, std::string& text) {
  using Kind = TemplateNode::Kind;
  for (const TemplateNode& node : nodes) {
    if (node.kind == Kind::text) text += node.text;
    if (node.kind == Kind::size) text += "1";
    if (node.kind == Kind::index) text += "{}";
    const bool certain = node.kind == Kind::loop && node.pattern.empty();
    if (!certain && !(conditional && (node.kind == Kind::loop || node.kind == Kind::condition))) continue;
    for (const auto* body : {&node.body, &node.otherwise}) {
      add_all(*body, conditional, text);
      text += '\n';
    }
  }
}

/// "layers.{e.{}}.w" as a pattern.
static std::string pattern_of(const std::string& name) {
  std::string out;
  int depth = 0;
  for (const char c : name) {
    depth += c == '{';
    if (depth == 0) out += c;
    if (c == '}' && --depth == 0) out += "**";
  }
  return out;
}

/// Of all tensors that there may be, or of those that every file has.
static std::vector<std::string> tensor_patterns(const std::vector<TemplateNode>& nodes, bool all) try {
  std::string text;
  add_all(nodes, all, text);
  std::vector<std::string> out;
  for (const TensorNames& t : tensor_names(text)) {
    if (all || !t.optional) out.push_back(pattern_of(t.name));
    for (const std::string& tie : t.ties)
      if (all) out.push_back(pattern_of(tie));
  }
  return out;
} catch (const ParseError&) {
  return {};
}

class TemplateReader {
 public:
  explicit TemplateReader(std::string_view text) : text_(text) {}

  Template operator()() && {
    out_.nodes_ = nodes(0);
    out_.tensors_ = tensor_patterns(out_.nodes_, true);
    out_.required_ = tensor_patterns(out_.nodes_, false);
    return std::move(out_);
  }

 private:
  using Kind = TemplateNode::Kind;

  Lexer here() const {
    Lexer in(text_, "architecture", true);
    in.pass_to(at_);
    return in;
  }
  bool done() const { return at_ == text_.size(); }
  static bool in_names(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("_.{}").find(c) != std::string_view::npos;
  }

  /// Up to the '}' of the block, or the end.
  std::vector<TemplateNode> nodes(int depth) {
    if (depth > max_depth) here().fail(fmt::format("blocks more than {} deep", max_depth));
    std::vector<TemplateNode> out;
    bool quoted = false, in_axes = false;
    while (!done()) {
      const char c = text_[at_];
      if (c == '"') quoted = !quoted;
      if (c == '\n') quoted = false;
      if (!quoted && c == '[') in_axes = true;
      if (!quoted && c == ']') in_axes = false;
      if (c == '#' && !quoted) {
        while (!done() && text_[at_] != '\n') ++at_;
      } else if (c == '}') {
        if (depth == 0) here().fail("expected '{' before '}'");
        return out;
      } else if (c == '{') {
        index(out);
      } else if (c == '$') {
        size(out);
      } else if (quoted || in_axes || !at_word() || !statement(out, depth)) {
        put(out, c);
      }
    }
    if (depth > 0) here().fail("expected '}' behind a block");
    return out;
  }

  bool at_word() const {
    return std::isalpha(static_cast<unsigned char>(text_[at_])) &&
           (at_ == 0 || text_[at_ - 1] == '{' || !in_names(text_[at_ - 1]));
  }

  void put(std::vector<TemplateNode>& out, char c) {
    if (out.empty() || out.back().kind != Kind::text) out.push_back({Kind::text, line()});
    out.back().text += c;
    if (c == '\n') ++line_;
    ++at_;
  }

  /// "{i-1}", or "{e.{i}}", of which the outer braces stay.
  void index(std::vector<TemplateNode>& out) {
    const std::size_t inner = text_.find('{', at_ + 1), end = text_.find('}', at_ + 1);
    if (end == std::string_view::npos) here().fail("expected '}' behind an index");
    if (inner < end) {
      put(out, '{');
      while (!done() && text_[at_] != '}') {
        if (text_[at_] == '\n') here().fail("expected '}' behind an index");
        if (text_[at_] == '{')
          index(out);
        else
          put(out, text_[at_]);
      }
      if (done()) here().fail("expected '}' behind an index");
      put(out, '}');
      return;
    }
    TemplateNode node{Kind::index, line(), std::string(text_.substr(at_ + 1, end - at_ - 1))};
    ++at_;
    node.to = expression();
    close('}', "behind an index");
    out.push_back(std::move(node));
  }

  /// "$name" or "$(expression)".
  void size(std::vector<TemplateNode>& out) {
    TemplateNode node{Kind::size, line()};
    ++at_;
    if (!done() && text_[at_] == '(') {
      ++at_;
      node.to = expression();
      close(')', "behind an expression");
    } else {
      const std::size_t begin = at_;
      while (!done() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
      if (at_ == begin) here().fail("expected a name or '(' behind '$'");
      node.to = {Expression::Operation::name, {}, std::string(text_.substr(begin, at_ - begin)), {}};
    }
    out.push_back(std::move(node));
  }

  Expression expression() {
    Lexer in = here();
    Expression e = parse_expression(in);
    at_ = in.offset();
    return e;
  }
  void close(char end, const char* where) {
    if (done() || text_[at_] != end) here().fail(fmt::format("expected '{}' {}", end, where));
    ++at_;
  }

  /// A statement of the template, if one begins here.
  bool statement(std::vector<TemplateNode>& out, int depth) {
    Lexer in = here();
    const std::string word = in.file_name("");
    TemplateNode node{Kind::definition, line()};
    if (word == "part" && in.take(";")) {
      out_.part_ = true;
    } else if (word == "requested" && in.take(";")) {
      out_.requested_ = true;
    } else if (word == "model" && in.peek("\"")) {
      do out_.models_.push_back(in.quoted("behind 'model'"));
      while (in.take(","));
    } else if (word == "number" && in.peek("\"")) {
      out_.numbered_.push_back(in.quoted("behind 'number'"));
    } else if (word == "ignore" && in.peek("\"")) {
      out_.ignored_.push_back(in.quoted("behind 'ignore'"));
    } else if (word == "rename" && in.peek("\"")) {
      std::string pattern = in.quoted("behind 'rename'");
      in.expect("->", "behind the names to replace");
      out_.renames_.emplace_back(std::move(pattern), in.quoted("behind '->'"));
    } else if (word == "size" && in.at_letter()) {
      node.text = in.path("of a size");
      if (!in.take("=")) return false;
      node.to = parse_expression(in);
      if (!in.at_line_end()) in.fail("expected the line's end behind a size");
      out.push_back(std::move(node));
    } else if (word == "for" && in.at_letter()) {
      node.kind = Kind::loop;
      node.text = in.path("that a loop counts");
      if (in.take(",")) node.stem = in.path("of what a star stands for");
      if (!take_word(in, "in")) in.fail("expected 'in' before what a loop goes through");
      if (!node.stem.empty()) {
        node.pattern = in.quoted("that names fit");
      } else {
        node.from = parse_expression(in);
        in.expect("..", "between the numbers of a loop");
        node.to = parse_expression(in);
      }
      node.body = block(in, depth);
      out.push_back(std::move(node));
      return true;
    } else if (word == "if" && !in.peek(":") && !in.peek("[")) {
      node.kind = Kind::condition;
      node.to = parse_expression(in);
      node.body = block(in, depth);
      Lexer behind(text_, "architecture", false);
      behind.pass_to(at_);
      if (behind.at_letter() && behind.file_name("") == "else") {
        line_ = behind.line();
        node.otherwise = block(behind, depth);
      }
      out.push_back(std::move(node));
      return true;
    } else {
      return false;
    }
    at_ = in.offset();
    return true;
  }

  std::vector<TemplateNode> block(Lexer& in, int depth) {
    in.skip_lines();
    if (!in.peek("{")) in.fail("expected '{' before a block");
    at_ = in.offset() + 1;
    line_ = in.line();
    std::vector<TemplateNode> out = nodes(depth + 1);
    ++at_;
    return out;
  }

  int line() const { return line_; }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
  Template out_;
};

Template Template::parse(std::string_view text) { return TemplateReader(text)(); }

}  // namespace weft
