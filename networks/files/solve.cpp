#include "weft/networks/files/solve.h"

namespace weft {
namespace {

class Solver {
 public:
  Solver(FileText& text, std::map<std::string, Json>& told) : text_(text), told_(told) {}

  void add(const TensorText& t, const Shape& shape) {
    if (shape.rank() != static_cast<int>(t.axes.size())) return;
    for (int k = 0; k < shape.rank(); ++k) {
      Expression size = text_.size_of(t.axes[static_cast<std::size_t>(k)]);
      if (!names_of(size).empty()) open_.emplace_back(std::move(size), shape[k]);
    }
  }

  void run() {
    // What stands once is turned around; only where that tells no more are values tried.
    while (pass(false) || pass(true)) {}
    for (Expression& size : text_.sizes) size = now(size);
    for (TensorText& t : text_.tensors)
      for (FileProduct& axis : t.axes) put_in(axis);
  }

 private:
  Expression now(const Expression& e) const {
    const Meaning meaning = [this](const std::string& name) -> std::optional<Expression> {
      const auto at = told_.find(name);
      return at == told_.end() ? std::nullopt : std::optional(Expression::of(at->second));
    };
    return computed(e, meaning, "[architecture] the sizes of a file");
  }

  bool pass(bool trying) {
    bool progress = false;
    for (auto& [size, places] : open_) {
      size = now(size);
      const std::vector<std::string> names = names_of(size);
      if (names.size() != 1) continue;
      if (const auto value = solved_for(size, names[0], places, trying)) {
        told_.emplace(names[0], Json(*value));
        progress = true;
        if (trying) break;
      }
    }
    std::erase_if(open_, [](const auto& equation) { return names_of(equation.first).empty(); });
    return progress;
  }

  void put_in(FileProduct& product) const {
    for (FileAtom& atom : product) {
      if (atom.places) atom.places = now(*atom.places);
      for (FileAlternative& a : atom.alternatives) put_in(a.product);
    }
  }

  FileText& text_;
  std::map<std::string, Json>& told_;
  std::vector<std::pair<Expression, std::int64_t>> open_;
};

}  // namespace

FileText solved(FileText text, const FileShapes& shapes, std::map<std::string, Json>& told) {
  Solver solver(text, told);
  for (const TensorText& t : text.tensors)
    if (const auto shape = shapes.find(name_at(t.name, "0")); shape != shapes.end()) solver.add(t, shape->second);
  solver.run();
  return text;
}

}  // namespace weft
