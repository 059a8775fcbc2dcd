// From statements to terms: names, indices, learned tensors and the types of lets (spec 7.1).

#include <algorithm>

#include "weft/core/error.h"
#include "weft/groups/term.h"

namespace weft {
namespace {

bool is_integer(std::string_view index) {
  return std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

/// Of `r:4`, the size; 0 of other indices.
std::int64_t declared_size(const std::string& index) {
  const auto colon = index.find(':');
  return colon == std::string::npos ? 0 : std::stoll(index.substr(colon + 1));
}

ParameterKind kind_of(std::string_view name, bool features) {
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::string_view part = name.substr(begin, name.find('.', begin) - begin);
    if (part.starts_with("psi")) return ParameterKind::psi;
    begin += part.size() + 1;
  }
  return features ? ParameterKind::phi : ParameterKind::constant;
}

}  // namespace

/// Fills a TermList, statement by statement.
class TermResolver {
 public:
  explicit TermResolver(TermList& list) : list_(list) {
    for (const SpaceTensor& t : list.in_.tensors())
      if (is_learned(t.name))
        throw ParseError("[terms] tensor '{}' of the input space has the name of a learned tensor", t.name);
    list.in_positions_ = positions_of(list.in_);
    list.out_positions_ = positions_of(list.out_);
  }

  void add(const TermStatement& s) {
    statement_ = &s;
    text_ = s.str();
    list_.text_ += text_ + "\n";
    const int target = s.let ? declare_let() : list_.out_.find_tensor(s.left.name);
    if (target < 0) fail("'{}' is no tensor of the output space ({})", s.left.name, names(list_.out_));
    for (const TermProduct& p : s.products) {
      list_.terms_.push_back(product(p, target));
      if (s.let && &p == &s.products.front()) type_let(list_.terms_.back());
    }
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> message, Args&&... args) const {
    throw ParseError("[terms] line {}, '{}': {}", statement_->line, text_,
                     fmt::format(message, std::forward<Args>(args)...));
  }

  /// The positions of a space's factors among those of the list.
  std::vector<int> positions_of(const Space& space) {
    std::vector<int> positions;
    for (const Factor& f : space.factors()) {
      positions.push_back(take_up(list_.factors_, f));
      if (positions.back() < 0)
        throw ParseError(
            "[terms] factor '{}' is {} in the input space, {} in the output space; allowed: one definition", f.name,
            factor(position_of(list_.factors_, f.name)).str(), f.str());
    }
    return positions;
  }

  static std::string names(const Space& space) {
    std::string out;
    for (const SpaceTensor& t : space.tensors()) out += (out.empty() ? "" : ", ") + t.name;
    return out;
  }

  int find_let(const std::string& name) const {
    for (std::size_t i = 0; i < list_.lets_.size(); ++i)
      if (list_.lets_[i].name == name) return static_cast<int>(i);
    return -1;
  }

  int declare_let() {
    const TermRef& left = statement_->left;
    if (find_let(left.name) >= 0 || list_.in_.find_tensor(left.name) >= 0) fail("the name '{}' is taken", left.name);
    if (is_learned(left.name)) fail("'{}' is the name of a learned tensor; a let needs another", left.name);
    for (const std::string& i : left.indices) {
      if (is_integer(i)) fail("an integer on the left; it selects a position of a learned tensor only");
      if (declared_size(i)) fail("index {} on the left; an index with a size stands in learned tensors only", i);
      if (std::count(left.indices.begin(), left.indices.end(), i) > 1)
        fail("index {} stands twice on the left of a let; allowed: distinct ones", i);
    }
    return static_cast<int>(list_.lets_.size());
  }

  /// Position of the index in the term, taken up with its factor if it is new there.
  int index(TermResolved& term, const std::string& name, int factor) const {
    const Factor& f = list_.factors_[static_cast<std::size_t>(factor)];
    if (const int i = known(term, name); i >= 0) {
      const TermIndex& own = term.indices[static_cast<std::size_t>(i)];
      const Factor& other = list_.factors_[static_cast<std::size_t>(own.factor)];
      if (own.size != f.size)
        fail("index {} runs over {} ({}) and {} ({}); allowed: one factor", name, other.name, other.str(), f.name,
             f.str());
      return i;
    }
    if (term.indices.size() == max_term_indices) fail("more than {} indices in one product", max_term_indices);
    term.indices.push_back({name, factor, f.size});
    return static_cast<int>(term.indices.size()) - 1;
  }
  static int known(const TermResolved& term, const std::string& name) {
    for (std::size_t i = 0; i < term.indices.size(); ++i)
      if (term.indices[i].name == name) return static_cast<int>(i);
    return -1;
  }

  TermOperand feature(TermResolved& term, const TermRef& ref, bool first) {
    TermOperand operand;
    std::vector<int> factors;
    std::int64_t taps;
    if (const int let = find_let(ref.name); let >= 0) {
      operand = {OperandSource::let, let, {}};
      for (const TermLetAxis& a : list_.lets_[static_cast<std::size_t>(let)].axes) factors.push_back(a.factor);
      taps = list_.lets_[static_cast<std::size_t>(let)].taps;
    } else {
      operand = {OperandSource::feature, list_.in_.find_tensor(ref.name), {}};
      if (operand.which < 0)
        fail("'{}' is unknown; allowed: a tensor of the input space ({}), an earlier let, or phi… and psi…", ref.name,
             names(list_.in_));
      const SpaceTensor& t = list_.in_.tensors()[static_cast<std::size_t>(operand.which)];
      for (const SpaceAxis& a : t.axes) factors.push_back(list_.in_positions_[static_cast<std::size_t>(a.factor)]);
      taps = t.taps();
    }
    if (factors.size() != ref.indices.size())
      fail("'{}' has {} axes, {} indices were given", ref.name, factors.size(), ref.indices.size());
    if (!first && taps != term.taps)
      fail("'{}' has {} taps, another feature of the term {}; allowed: equal ones", ref.name, taps, term.taps);
    term.taps = taps;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      if (is_integer(ref.indices[i]))
        fail("integer {} in '{}'; it selects a position of a learned tensor only", ref.indices[i], ref.name);
      if (declared_size(ref.indices[i]))
        fail("index {} in '{}'; an index with a size stands in learned tensors only", ref.indices[i], ref.name);
      operand.axes.push_back({index(term, ref.indices[i], factors[i]), 0});
    }
    return operand;
  }

  static std::string name_of(const std::string& index) { return index.substr(0, index.find(':')); }

  /// Takes up `r:4` as an index over a fixed factor of that many places.
  void declare(TermResolved& term, const std::string& index) {
    const std::int64_t size = declared_size(index);
    const Factor places = fixed_places(size);
    const std::string own = name_of(index);
    if (is_integer(own)) fail("integer {}; an index with a size has a name", index);
    const int f = take_up(list_.factors_, places);
    if (f < 0)
      fail("index {} needs a factor '{}', which is {}; rename that one", index, places.name,
           factor(position_of(list_.factors_, places.name)).str());
    if (known(term, own) >= 0) fail("index {} has its size already", own);
    if (term.indices.size() == max_term_indices) fail("more than {} indices in one product", max_term_indices);
    term.indices.push_back({own, f, size});
  }

  TermOperand learned(const TermResolved& term, const TermRef& ref, bool features) {
    const bool dotted = ref.name.find('.') != std::string::npos;
    if (term.to_let && !dotted) fail("'{}' in a let; allowed: a name with a dot, as psi.WW.2.1", ref.name);
    TermParameter p;
    p.name = dotted || statement_->left.name == "y" ? ref.name : statement_->left.name + "." + ref.name;
    p.kind = kind_of(ref.name, features);
    if (p.kind == ParameterKind::psi && !features) fail("'{}' without a feature", ref.name);
    p.taps_in = term.taps;
    if (!term.to_let) {
      p.target = term.target;
      p.taps_out =
          p.kind == ParameterKind::psi ? 1 : list_.out_.tensors()[static_cast<std::size_t>(term.target)].taps();
    }
    TermOperand operand{OperandSource::learned, 0, {}};
    for (const std::string& text : ref.indices) {
      TermAxis axis;
      const std::string i = name_of(text);
      p.shared.push_back(is_shared(term, i));
      if (is_integer(i)) {
        if (i.size() > 6) fail("integer {} in '{}'; allowed: up to 999999", i, ref.name);
        axis.integer = std::stoll(i);
        p.index_sizes.push_back(axis.integer + 1);
        p.selected.push_back(true);
        p.on_left.push_back(false);
      } else {
        axis.index = known(term, i);
        if (axis.index < 0) fail("index {} of '{}' stands in no feature and not on the left", i, ref.name);
        if (std::count_if(ref.indices.begin(), ref.indices.end(),
                          [&](const std::string& k) { return name_of(k) == i; }) > 1)
          fail("index {} stands twice in '{}'; allowed: distinct ones", i, ref.name);
        p.index_sizes.push_back(term.indices[static_cast<std::size_t>(axis.index)].size);
        p.selected.push_back(false);
        p.on_left.push_back(contains(statement_->left.indices, i));
      }
      operand.axes.push_back(axis);
    }
    operand.which = share(std::move(p));
    return operand;
  }

  bool is_shared(const TermResolved& term, const std::string& name) const {
    const int i = known(term, name);
    return i >= 0 && list_.places(term, i).empty();
  }

  /// Terms that name one parameter share it. An axis of integers alone grows with the largest; an index fixes its size.
  int share(TermParameter p) {
    const auto known = std::find_if(list_.parameters_.begin(), list_.parameters_.end(),
                                    [&](const TermParameter& k) { return k.name == p.name; });
    if (known == list_.parameters_.end()) {
      list_.parameters_.push_back(std::move(p));
      return static_cast<int>(list_.parameters_.size()) - 1;
    }
    bool agrees = known->kind == p.kind && known->taps_in == p.taps_in && known->taps_out == p.taps_out &&
                  known->index_sizes.size() == p.index_sizes.size();
    for (std::size_t i = 0; agrees && i < p.index_sizes.size(); ++i) {
      auto &size = known->index_sizes[i], own = p.index_sizes[i];
      agrees = size == own || (size < own ? known->selected[i] : p.selected[i]);
      if (!agrees) break;
      size = std::max(size, own);
      if (!p.selected[i]) known->selected[i] = false;
    }
    if (!agrees)
      fail("parameter '{}' has shape {} here (e = d = 1), {} in an earlier term; allowed: one shape", p.name,
           p.shape(1, 1).str(), known->shape(1, 1).str());
    return static_cast<int>(known - list_.parameters_.begin());
  }

  void left(TermResolved& term) {
    const std::vector<std::string>& indices = statement_->left.indices;
    if (!term.to_let) {
      const SpaceTensor& t = list_.out_.tensors()[static_cast<std::size_t>(term.target)];
      if (t.axes.size() != indices.size())
        fail("'{}' has {} axes, {} indices were given", t.name, t.axes.size(), indices.size());
      for (std::size_t i = 0; i < indices.size(); ++i) {
        if (is_integer(indices[i])) fail("an integer on the left; it selects a position of a learned tensor only");
        if (declared_size(indices[i]))
          fail("index {} on the left; an index with a size stands in learned tensors only", indices[i]);
        term.left.push_back(index(term, indices[i], list_.out_positions_[static_cast<std::size_t>(t.axes[i].factor)]));
      }
      return;
    }
    for (const std::string& i : indices) {
      term.left.push_back(known(term, i));
      if (term.left.back() < 0) fail("index {} of a let stands in no feature of its product", i);
      // The first product gave the let its shape; the others must have it too.
      const auto which = static_cast<std::size_t>(term.target);
      if (which < list_.lets_.size()) index(term, i, list_.lets_[which].axes[term.left.size() - 1].factor);
    }
  }

  TermResolved product(const TermProduct& p, int target) {
    TermResolved term;
    term.to_let = statement_->let;
    term.target = target;
    term.text = text_;
    std::size_t features = 0, phis = 0;
    if (p.refs.size() > max_term_factors) fail("{} factors; allowed: up to {}", p.refs.size(), max_term_factors);
    for (const TermRef& ref : p.refs)
      if (!is_learned(ref.name)) term.operands.push_back(feature(term, ref, features++ == 0));
    left(term);
    // Sizes may stand at any place of their index.
    for (const TermRef& ref : p.refs)
      for (const std::string& i : ref.indices)
        if (is_learned(ref.name) && declared_size(i)) declare(term, i);
    for (const TermRef& ref : p.refs)
      if (is_learned(ref.name)) {
        phis += kind_of(ref.name, true) == ParameterKind::phi;
        term.operands.push_back(learned(term, ref, features > 0));
      }
    if (term.to_let && (phis || !features))
      fail("a let has features and psi only; move the phi to the term that reads it");
    if (!term.to_let && phis != 1) fail("{} phi; allowed: exactly one a term", phis);
    for (const std::string& i : p.mean) {
      const int k = known(term, i);
      if (k < 0 || contains(statement_->left.indices, i))
        fail("mean over {}; allowed: an index that stands on the right and not on the left", i);
      if (std::count(p.mean.begin(), p.mean.end(), i) > 1) fail("mean over {} twice", i);
      term.averaged.push_back(k);
    }
    for (int i = 0; i < std::ssize(term.indices); ++i) {
      const auto has = [i](const TermOperand& o) {
        return std::any_of(o.axes.begin(), o.axes.end(), [i](const TermAxis& a) { return a.index == i; });
      };
      if (is_shared(term, term.indices[static_cast<std::size_t>(i)].name) &&
          std::count_if(term.operands.begin(), term.operands.end(), has) < 2)
        fail("index {} stands in one learned tensor alone; allowed: in two, whose product it sums",
             term.indices[static_cast<std::size_t>(i)].name);
    }
    mark_complex(term);
    return term;
  }

  /// A let and the types of its axes (spec 7.2's counts), from its first product; the rule checks the others against
  /// it.
  void type_let(const TermResolved& term) {
    TermLet let{statement_->left.name, {}, {}, term.taps};
    for (int i : term.left) {
      let.shape.push_back(term.indices[static_cast<std::size_t>(i)].size);
      let.axes.push_back(let_axis(term, i));
    }
    list_.lets_.push_back(std::move(let));
  }

  TermLetAxis let_axis(const TermResolved& term, int index) const {
    TermLetAxis axis{term.indices[static_cast<std::size_t>(index)].factor};
    int head = -1;
    for (const TermPlace& place : list_.places(term, index)) {
      axis.role = place.role;
      for (const auto& [factor, degree] : place.degrees) {
        const auto own = std::find_if(axis.degrees.begin(), axis.degrees.end(),
                                      [&, f = factor](const FactorDegree& d) { return d.factor == f; });
        if (own == axis.degrees.end())
          axis.degrees.push_back({factor, degree});
        else
          own->degree += degree;
      }
      if (place.headed) head = place.head;
    }
    for (FactorDegree& d : axis.degrees)
      if (factor(d.factor).kind->scales == Scales::sign) d.degree &= 1;
    std::erase_if(axis.degrees, [](const FactorDegree& d) { return d.degree == 0; });
    for (const FactorDegree& d : axis.degrees)
      if (std::abs(d.degree) > max_power)
        fail("scales by {}^{}; allowed: up to {}", factor(d.factor).name, d.degree, max_power);
    axis.headed = list_.has_copies(axis.factor, axis.degrees);
    const auto kept = std::find(term.left.begin(), term.left.end(), head);
    if (axis.headed && kept != term.left.end()) axis.head = static_cast<int>(kept - term.left.begin());
    return axis;
  }

  const Factor& factor(int i) const { return list_.factors_[static_cast<std::size_t>(i)]; }

  /// Marks the indices over which a learned tensor multiplies as complex numbers: those of pairs that stand in one, and
  /// at two places else. Where they stand at more or fewer, no rule allows them.
  void mark_complex(TermResolved& term) const {
    for (int i = 0; i < std::ssize(term.indices); ++i) {
      TermIndex& index = term.indices[static_cast<std::size_t>(i)];
      if (!factor(index.factor).kind->has_pairs()) continue;
      int learned = 0;
      auto places = std::count(term.left.begin(), term.left.end(), i);
      for (const TermOperand& operand : term.operands) {
        const auto here =
            std::count_if(operand.axes.begin(), operand.axes.end(), [&](const TermAxis& a) { return a.index == i; });
        if (operand.source == OperandSource::learned)
          learned += here > 0;
        else
          places += here;
      }
      if (learned == 1 && places == 2) index.complex = factor(index.factor).kind->mixing;
    }
  }

  TermList& list_;
  const TermStatement* statement_ = nullptr;
  std::string text_;
};

TermList::TermList(const Space& in, const Space& out, std::string_view text, bool decide_only) : in_(in), out_(out) {
  TermResolver resolver(*this);
  for (const TermStatement& s : parse_terms(text)) resolver.add(s);
  if (decide_only) return;
  for (int i = 0; i < static_cast<int>(terms_.size()); ++i)
    if (const auto reason = refusal(i))
      throw TypeError("[terms] '{}', {}", terms_[static_cast<std::size_t>(i)].text, *reason);
}

}  // namespace weft
