#include "weft/io/pickle.h"

#include <bit>

#include "weft/io/pickle_stack.h"

namespace weft {

using Kind = PickleValue::Kind;

/// The stack machine that a pickle is a program for.
class Pickle::Machine : private PickleStack {
 public:
  Machine(Pickle& pickle, std::span<const std::byte> bytes, std::string_view file)
      : PickleStack(pickle.values_, bytes, file), pickle_(pickle) {
    none_ = add({Kind::none});
    false_ = add({Kind::truth, 0});
    true_ = add({Kind::truth, 1});
    state_ = add({Kind::state});
  }

  void run() {
    if (bytes_.size() < 2 || bytes_[0] != std::byte{0x80}) fail("no pickle of protocol 2 or later");
    while (true) {
      const auto opcode = static_cast<unsigned char>(take<char>());
      if (opcode == '.') break;
      if (!constants(opcode) && !numbers(opcode) && !texts(opcode) && !containers(opcode) && !memo(opcode) &&
          !objects(opcode))
        unknown(opcode);
      check_stack();
    }
    pickle_.root_ = pop();
    pickle_.size_ = at_;
  }

 private:
  [[noreturn]] void unknown(unsigned char opcode) const {
    if (std::strchr("IFLSVPpg", opcode) && opcode)
      fail("opcode '{}' of protocol 0; allowed: protocols 2 to 5, as torch.save writes them",
           static_cast<char>(opcode));
    fail("opcode {:#04x}, which is none that tensors need: the file is damaged or holds something else", opcode);
  }

  // --- opcodes; each group says whether it knows the one given

  bool constants(unsigned char opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        if (const int protocol = take<std::uint8_t>(); protocol < 2 || protocol > 5)
          fail("protocol {}; allowed: 2 to 5", protocol);
        return true;
      case 0x95:  // FRAME
        if (take<std::uint64_t>() > bytes_.size() - at_) fail("a frame ends behind the file: it is truncated");
        return true;
      case 'N':
        push(none_);
        return true;
      case 0x88:  // NEWTRUE
        push(true_);
        return true;
      case 0x89:  // NEWFALSE
        push(false_);
        return true;
      case '0':  // POP, of a mark too
        if (!marks_.empty() && stack_.size() == marks_.back())
          marks_.pop_back();
        else
          pop();
        return true;
      case '1':  // POP_MARK
        pop_to_mark();
        return true;
      case '2':  // DUP
        push(top());
        return true;
      case '(':  // MARK
        marks_.push_back(stack_.size());
        return true;
      default:
        return false;
    }
  }

  bool numbers(unsigned char opcode) {
    switch (opcode) {
      case 'J':  // BININT
        push({Kind::integer, take<std::int32_t>()});
        return true;
      case 'K':  // BININT1
        push({Kind::integer, take<std::uint8_t>()});
        return true;
      case 'M':  // BININT2
        push({Kind::integer, take<std::uint16_t>()});
        return true;
      case 0x8a:  // LONG1
        push_long(take_bytes(take<std::uint8_t>()));
        return true;
      case 0x8b:  // LONG4
        push_long(take_bytes(take<std::uint32_t>()));
        return true;
      case 'G':  // BINFLOAT, big-endian
        push({Kind::real, 0, std::bit_cast<double>(__builtin_bswap64(take<std::uint64_t>()))});
        return true;
      default:
        return false;
    }
  }

  /// Two's complement, little-endian, of any length.
  void push_long(std::string_view digits) {
    if (digits.size() > sizeof(std::int64_t)) return push({Kind::opaque, 0, 0, "int"});
    std::uint64_t bits = !digits.empty() && digits.back() < 0 ? ~std::uint64_t{0} : 0;
    std::memcpy(&bits, digits.data(), digits.size());
    push({Kind::integer, static_cast<std::int64_t>(bits)});
  }

  bool texts(unsigned char opcode) {
    const auto push_text = [&](Kind kind, std::uint64_t length) { push({kind, 0, 0, take_bytes(length)}); };
    switch (opcode) {
      case 'X':  // BINUNICODE
      case 'T':  // BINSTRING
        push_text(Kind::text, take<std::uint32_t>());
        return true;
      case 0x8c:  // SHORT_BINUNICODE
      case 'U':   // SHORT_BINSTRING
        push_text(Kind::text, take<std::uint8_t>());
        return true;
      case 0x8d:  // BINUNICODE8
        push_text(Kind::text, take<std::uint64_t>());
        return true;
      case 'C':  // SHORT_BINBYTES
        push_text(Kind::bytes, take<std::uint8_t>());
        return true;
      case 'B':  // BINBYTES
        push_text(Kind::bytes, take<std::uint32_t>());
        return true;
      case 0x8e:  // BINBYTES8
      case 0x96:  // BYTEARRAY8
        push_text(Kind::bytes, take<std::uint64_t>());
        return true;
      default:
        return false;
    }
  }

  void push_tuple(std::size_t count) {
    std::vector<PickleRef> items(count);
    for (std::size_t i = count; i > 0; --i) items[i - 1] = pop();
    push({Kind::tuple, 0, 0, {}, std::move(items)});
  }

  bool containers(unsigned char opcode) {
    switch (opcode) {
      case ']':   // EMPTY_LIST
      case 0x8f:  // EMPTY_SET
        push({Kind::list});
        return true;
      case ')':  // EMPTY_TUPLE
        push({Kind::tuple});
        return true;
      case '}':  // EMPTY_DICT
        push({Kind::dict});
        return true;
      case 'l':   // LIST
      case 0x91:  // FROZENSET
        push({Kind::list, 0, 0, {}, pop_to_mark()});
        return true;
      case 't':  // TUPLE
        push({Kind::tuple, 0, 0, {}, pop_to_mark()});
        return true;
      case 0x85:  // TUPLE1, 2, 3
      case 0x86:
      case 0x87:
        push_tuple(opcode - 0x84u);
        return true;
      case 'd':  // DICT
        push({Kind::dict, 0, 0, {}, pop_to_mark()});
        if (value(top()).items.size() % 2) fail("a key without a value");
        return true;
      case 'a':  // APPEND
        append({pop()});
        return true;
      case 'e':   // APPENDS
      case 0x90:  // ADDITEMS
        append(pop_to_mark());
        return true;
      case 's': {  // SETITEM
        const PickleRef item = pop();
        set({pop(), item});
        return true;
      }
      case 'u':  // SETITEMS
        set(pop_to_mark());
        return true;
      default:
        return false;
    }
  }

  void append(std::vector<PickleRef> items) {
    const PickleRef to = top();
    if (value(to).kind == Kind::list) {
      value(to).items.insert(value(to).items.end(), items.begin(), items.end());
    } else if (value(to).kind == Kind::opaque) {
      for (const PickleRef item : items) {
        const PickleRef place = add({Kind::integer, static_cast<std::int64_t>(value(to).items.size() / 2)});
        value(to).items.insert(value(to).items.end(), {place, item});
      }
    } else {
      fail("items are appended to what is no list");
    }
  }

  void set(std::vector<PickleRef> items) {
    PickleValue& to = value(top());
    if (to.kind != Kind::dict && to.kind != Kind::opaque) fail("keys are set in what is no dict");
    if (items.size() % 2) fail("a key without a value");
    to.items.insert(to.items.end(), items.begin(), items.end());
  }

  bool memo(unsigned char opcode) {
    switch (opcode) {
      case 'q':  // BINPUT
        put(take<std::uint8_t>());
        return true;
      case 'r':  // LONG_BINPUT
        put(take<std::uint32_t>());
        return true;
      case 0x94:  // MEMOIZE
        put_next();
        return true;
      case 'h':  // BINGET
        push(remembered(take<std::uint8_t>()));
        return true;
      case 'j':  // LONG_BINGET
        push(remembered(take<std::uint32_t>()));
        return true;
      default:
        return false;
    }
  }

  bool objects(unsigned char opcode) {
    switch (opcode) {
      case 'c': {  // GLOBAL
        const std::string_view module = take_line();
        push_global(module, take_line());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleRef name = pop(), module = pop();
        if (value(name).kind != Kind::text || value(module).kind != Kind::text) fail("a global whose name is no text");
        push_global(value(module).text, value(name).text);
        return true;
      }
      case 'i': {  // INST
        const std::string_view module = take_line();
        push_global(module, take_line());
        const PickleRef called = pop();
        construct(called, add({Kind::tuple, 0, 0, {}, pop_to_mark()}));
        return true;
      }
      case 'Q': {  // BINPERSID
        const PickleRef id = pop();
        push({Kind::persistent, 0, 0, {}, {id}});
        return true;
      }
      case 'R':     // REDUCE
      case 0x81: {  // NEWOBJ
        const PickleRef arguments = pop();
        construct(pop(), arguments);
        return true;
      }
      case 0x92: {  // NEWOBJ_EX
        pop();
        const PickleRef arguments = pop();
        construct(pop(), arguments);
        return true;
      }
      case 'b': {  // BUILD
        const PickleRef state = pop();
        if (PickleValue& object = value(top()); object.kind == Kind::opaque)
          object.items.insert(object.items.end(), {state_, state});
        return true;
      }
      default:
        return false;
    }
  }

  void push_global(std::string_view module, std::string_view name) {
    if (module.size() + name.size() > longest_global) fail("a global of more than {} characters", longest_global);
    const std::string full = fmt::format("{}.{}", module, name);
    if (runs_code(module, name))
      throw FormatError(
          "[torch] {} asks to run {}; weft runs nothing of a file. A file of weights has no reason to ask: do not load "
          "it elsewhere",
          in_quotes(file_), full);
    const auto [place, is_new] = pickle_.names_.insert(full);
    if (pickle_.names_.size() > most_globals) fail("more than {} globals", most_globals);
    push({Kind::global, 0, 0, *place});
  }

  /// What calling a function or class with these arguments leaves on the stack.
  void construct(PickleRef called, PickleRef arguments) {
    const std::string_view name = value(called).kind == Kind::global ? value(called).text : "";
    const std::vector<PickleRef> none, &items = value(arguments).kind == Kind::tuple ? value(arguments).items : none;
    const bool first = !items.empty();
    if (name == "collections.OrderedDict" || name == "collections.defaultdict") {
      push_dict(first ? items[0] : none_);
    } else if (first && (name == "torch._utils._rebuild_parameter" ||
                         name == "torch._utils._rebuild_parameter_with_state" || name == "torch.Size")) {
      push(items[0]);
    } else if (name == "torch._utils._rebuild_tensor" || name == "torch._utils._rebuild_tensor_v2" ||
               name == "torch._utils._rebuild_tensor_v3") {
      push({Kind::call, 0, 0, name, {arguments}});
    } else {
      push({Kind::opaque, 0, 0, name.empty() ? "object" : name});
    }
  }

  /// From a list of pairs, as OrderedDict was pickled by Python 2; empty without one.
  void push_dict(PickleRef pairs) {
    std::vector<PickleRef> items;
    if (value(pairs).kind == Kind::list) {
      count_copies(value(pairs).items.size());
      for (const PickleRef pair : value(pairs).items) {
        const auto& both = value(pair).items;
        if (both.size() != 2) fail("an OrderedDict of what are no pairs");
        items.insert(items.end(), both.begin(), both.end());
      }
    }
    push({Kind::dict, 0, 0, {}, std::move(items)});
  }

  Pickle& pickle_;
  PickleRef none_ = 0, false_ = 0, true_ = 0, state_ = 0;
};

Pickle::Pickle(std::span<const std::byte> bytes, std::string_view file) { Machine(*this, bytes, file).run(); }

}  // namespace weft
