#include "weft/nfn/linear/mixing.h"

#include <algorithm>

#include "weft/nfn/linear/split.h"

namespace weft::linear {
namespace {

constexpr int none = -1;  ///< the tensor of terms without features

void describe(const Space& space, std::int64_t channels, Side& side) {
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t) {
    const Shape shape = space.axes_shape(t);
    Side::Matrix m{channels * space.tensors()[static_cast<std::size_t>(t)].taps()};
    if (shape.rank() > 1) m.rows = shape[0];
    if (shape.rank() > 0) m.columns = shape[shape.rank() - 1];
    side.tensors.push_back(std::move(m));
  }
}

/// A tensor with axes `axes`, summed over (or repeated along) `dropped`.
View view_of(const TermResolved& term, int tensor, const Indices& axes, const Indices& dropped, const Indices& fixed,
             const Indices& kept, double scale) {
  View v{tensor, 3, scale, count(term, fixed), count(term, kept)};
  Indices left;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (std::ranges::find(dropped, axes[i]) == dropped.end())
      left.push_back(axes[i]);
    else
      v.axes &= i + 1 < axes.size() ? ~1u : ~2u;
  }
  v.at = positions(term, joined(fixed, kept), left);
  return v;
}

class Builder {
 public:
  Builder(const TermList& list, std::int64_t d, std::int64_t e) {
    describe(list.in(), d, all_.in);
    describe(list.out(), e, all_.out);
    for (const TermResolved& term : list.terms()) add(term, *split(term));
  }

  Mixing run() {
    for (int group = 0; group < static_cast<int>(found_.size()); ++group)
      if (!take_direct(group)) take_mix(group);
    return std::move(all_);
  }

 private:
  struct Found {
    View view;
    bool source;
    int group;  ///< of linked views
  };
  struct Link {
    int source, target;  ///< positions in found_
    int parameter;
    std::vector<std::int64_t> phi_at;  ///< [contracted, added]
  };

  Found& found(int i) { return found_[static_cast<std::size_t>(i)]; }
  Side::Matrix& tensor(Side& side, int i) { return side.tensors[static_cast<std::size_t>(i)]; }

  void add(const TermResolved& term, const TermIndices& s) {
    // One order for the columns of all views of a mix, whatever the order of a tensor's axes.
    Indices kept = s.kept;
    std::ranges::stable_sort(kept, {}, [&](int i) { return term.indices[static_cast<std::size_t>(i)].factor; });
    const int source =
        number(s.feature ? view_of(term, s.feature->which, s.x_axes, s.summed, s.contracted, kept, term.scale())
                         : view_of(term, none, {}, {}, {}, {}, 1),
               true);
    const int target = number(view_of(term, term.target, s.left, s.broadcast, s.added, kept, 1), false);
    links_.push_back({source, target, s.phi->which, positions(term, joined(s.contracted, s.added), s.phi_axes)});
    const int from = found(source).group, to = found(target).group;
    for (Found& f : found_)
      if (f.group == from) f.group = to;
  }

  int number(const View& v, bool source) {
    const auto known = std::ranges::find_if(found_, [&](const Found& f) {
      return f.source == source && f.view.tensor == v.tensor && f.view.axes == v.axes && f.view.scale == v.scale &&
             f.view.fixed == v.fixed && f.view.at == v.at;
    });
    const auto i = static_cast<int>(known - found_.begin());
    if (known == found_.end()) found_.push_back({v, source, i});
    return i;
  }

  static bool whole(const View& v) {
    return v.tensor != none && v.axes == 3 && v.scale == 1 && v.fixed == 1 && v.at[0] == 0 &&
           counts_up(v.at.data(), v.moved);
  }

  bool take_direct(int group) {
    const Link* only = nullptr;
    for (const Link& link : links_) {
      if (found(link.source).group != group) continue;
      if (only) return false;
      only = &link;
    }
    if (!only) return false;
    const View &x = found(only->source).view, &y = found(only->target).view;
    if (x.moved == 0 || !whole(x) || !whole(y)) return false;
    tensor(all_.in, x.tensor).direct = tensor(all_.out, y.tensor).direct = static_cast<int>(all_.direct.size());
    all_.direct.push_back({x.tensor, y.tensor, only->parameter});
    return true;
  }

  void take_mix(int group) {
    Mix mix;
    for (Found& f : found_) {
      if (f.group != group) continue;
      View& v = f.view;
      std::int64_t& rows = f.source ? mix.rows_in : mix.rows_out;
      v.mix = static_cast<int>(all_.mixes.size());
      v.row = rows;
      mix.columns = v.moved;
      if (v.tensor == none) {
        mix.ones = rows++;
        continue;
      }
      Side::Matrix& m = tensor(f.source ? all_.in : all_.out, v.tensor);
      rows += m.channels * v.fixed;
      m.views.push_back(v);
    }
    if (mix.rows_out == 0) return;  // of no linked views
    for (Link& link : links_) {
      if (found(link.source).group != group) continue;
      const View &x = found(link.source).view, &y = found(link.target).view;
      mix.blocks.push_back({link.parameter, x.row, y.row, x.tensor == none ? 1 : tensor(all_.in, x.tensor).channels,
                            tensor(all_.out, y.tensor).channels, x.fixed, y.fixed, std::move(link.phi_at)});
    }
    all_.mixes.push_back(std::move(mix));
  }

  Mixing all_;
  std::vector<Found> found_;
  std::vector<Link> links_;
};

}  // namespace

std::optional<Mixing> mixing_of(const TermList& list, std::int64_t d, std::int64_t e) {
  auto too_many_axes = [](const SpaceTensor& t) { return t.axes.size() > 2; };
  if (!splits(list) || std::ranges::any_of(list.in().tensors(), too_many_axes) ||
      std::ranges::any_of(list.out().tensors(), too_many_axes))
    return {};
  return Builder(list, d, e).run();
}

}  // namespace weft::linear
