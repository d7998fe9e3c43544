/*
 * Protobuf: texts, compatibility, values. What comes out of the tables of texts and pairs is what Confluent's registry
 * (its printer and comparison of August 2026, on square's wire 5.4.0) made of them; it was run to write them down.
 */
#include "registry/formats.h"

static const struct text_case TEXTS[] = {
    {"// hello\n"
     "syntax = \"proto3\";\n"
     "package a.b;\n"
     "import \"google/protobuf/timestamp.proto\";\n"
     "option java_package = 'x.y';\n"
     "option (my.opt) = { a: 1, b: [ \"x\", 'y' ] c { d: E } };\n"
     "option (my.o2).foo.bar = 12;\n"
     "/* doc */\n"
     "message M {\n"
     "  // c\n"
     "  reserved 5, 7 to 9, 100 to max, \"foo\", 'bar';\n"
     "  option deprecated = true;\n"
     "  optional string s = 1 [json_name=\"S\", deprecated=true]; // trailing\n"
     "  map<string, N> m = 2;\n"
     "  repeated .a.b.M.N ns = 3 [packed = true];\n"
     "  oneof o { int32 a = 10; N b = 11; option (x) = 1; }\n"
     "  message N { enum E { option allow_alias = true; A = 0; B = 0 [deprecated=true, (z) = \"q\\\"uo\"]; reserved 4 "
     "to 7; } E e = 1; }\n"
     "  enum F { Z = 0; NEG = -1; }\n"
     "  message Empty {}\n"
     "  google.protobuf.Timestamp ts = 16;\n"
     "}\n"
     "enum Top { T0 = 0; T1 = 0x10; }\n"
     "extend google.protobuf.FieldOptions { string z = 50000; repeated M zz = 50001; }\n"
     "service S { rpc Do(M) returns (stream M.N) { option deprecated = true; } rpc D2(stream .a.b.M) returns (M); "
     "option deprecated = false; }\n"
     "",
     "syntax = \"proto3\";\n"
     "package a.b;\n"
     "\n"
     "import \"google/protobuf/timestamp.proto\";\n"
     "\n"
     "option java_package = \"x.y\";\n"
     "option (my.opt) = {\n"
     "  a: 1,\n"
     "  b: [\n"
     "    \"x\",\n"
     "    \"y\"\n"
     "  ],\n"
     "  c: {\n"
     "    d: E\n"
     "  }\n"
     "};\n"
     "option (my.o2).foo.bar = 12;\n"
     "\n"
     "message M {\n"
     "  reserved 5, 7 to 9, 100 to max, \"foo\", \"bar\";\n"
     "\n"
     "  option deprecated = true;\n"
     "\n"
     "  optional string s = 1 [\n"
     "    deprecated = true,\n"
     "    json_name = \"S\"\n"
     "  ];\n"
     "  map<string, N> m = 2;\n"
     "  repeated .a.b.M.N ns = 3 [packed = true];\n"
     "  google.protobuf.Timestamp ts = 16;\n"
     "\n"
     "  oneof o {\n"
     "    option (x) = 1;\n"
     "  \n"
     "    int32 a = 10;\n"
     "    N b = 11;\n"
     "  }\n"
     "\n"
     "  message N {\n"
     "    E e = 1;\n"
     "  \n"
     "    enum E {\n"
     "      reserved 4 to 7;\n"
     "      option allow_alias = true;\n"
     "      A = 0;\n"
     "      B = 0 [\n"
     "        deprecated = true,\n"
     "        (z) = \"q\\\"uo\"\n"
     "      ];\n"
     "    }\n"
     "  }\n"
     "  message Empty {}\n"
     "  enum F {\n"
     "    Z = 0;\n"
     "    NEG = -1;\n"
     "  }\n"
     "}\n"
     "enum Top {\n"
     "  T0 = 0;\n"
     "  T1 = 16;\n"
     "}\n"
     "\n"
     "extend google.protobuf.FieldOptions {\n"
     "  string z = 50000;\n"
     "  repeated M zz = 50001;\n"
     "}\n"
     "\n"
     "service S {\n"
     "  option deprecated = false;\n"
     "\n"
     "  rpc Do (M) returns (stream M.N) {\n"
     "    option deprecated = true;\n"
     "  };\n"
     "  rpc D2 (stream .a.b.M) returns (M);\n"
     "}\n"
     "",
     "syntax = \"proto3\";\n"
     "package a.b;\n"
     "\n"
     "import \"google/protobuf/timestamp.proto\";\n"
     "\n"
     "option java_package = \"x.y\";\n"
     "option (my.o2).foo.bar = 12;\n"
     "option (my.opt) = {\n"
     "  a: 1,\n"
     "  b: [\n"
     "    \"x\",\n"
     "    \"y\"\n"
     "  ],\n"
     "  c: {\n"
     "    d: E\n"
     "  }\n"
     "};\n"
     "\n"
     "message M {\n"
     "  reserved 5;\n"
     "  reserved 7 to 9;\n"
     "  reserved 100 to max;\n"
     "  reserved \"bar\";\n"
     "  reserved \"foo\";\n"
     "\n"
     "  option deprecated = true;\n"
     "\n"
     "  optional string s = 1 [\n"
     "    deprecated = true,\n"
     "    json_name = \"S\"\n"
     "  ];\n"
     "  map<string, .a.b.M.N> m = 2;\n"
     "  repeated .a.b.M.N ns = 3 [packed = true];\n"
     "  .google.protobuf.Timestamp ts = 16;\n"
     "\n"
     "  oneof o {\n"
     "    option (x) = 1;\n"
     "  \n"
     "    int32 a = 10;\n"
     "    .a.b.M.N b = 11;\n"
     "  }\n"
     "\n"
     "  message N {\n"
     "    .a.b.M.N.E e = 1;\n"
     "  \n"
     "    enum E {\n"
     "      reserved 4 to 7;\n"
     "      option allow_alias = true;\n"
     "      A = 0;\n"
     "      B = 0 [\n"
     "        (a.b.z) = \"q\\\"uo\",\n"
     "        deprecated = true\n"
     "      ];\n"
     "    }\n"
     "  }\n"
     "  message Empty {}\n"
     "  enum F {\n"
     "    NEG = -1;\n"
     "    Z = 0;\n"
     "  }\n"
     "}\n"
     "enum Top {\n"
     "  T0 = 0;\n"
     "  T1 = 16;\n"
     "}\n"
     "\n"
     "extend .google.protobuf.FieldOptions {\n"
     "  string z = 50000;\n"
     "  repeated .a.b.M zz = 50001;\n"
     "}\n"
     "\n"
     "service S {\n"
     "  option deprecated = false;\n"
     "\n"
     "  rpc Do (.a.b.M) returns (stream .a.b.M.N) {\n"
     "    option deprecated = true;\n"
     "  };\n"
     "  rpc D2 (stream .a.b.M) returns (.a.b.M);\n"
     "}\n"
     ""},
    {"syntax = \"proto2\"; package p; message A { required int32 x = 1 [default = -5]; optional string s = 2 [default "
     "= \"hi\\n\"]; repeated group G = 4 { optional int32 q = 5; } extensions 100 to 199, 500 [verification = "
     "UNVERIFIED]; extend A { optional int32 ext = 100; } optional E e = 6 [default = V]; enum E { V=1; } oneof o { "
     "string os = 9; group OG = 10 { optional string z = 11; } } }",
     "syntax = \"proto2\";\n"
     "package p;\n"
     "\n"
     "message A {\n"
     "  required int32 x = 1 [default = -5];\n"
     "  optional string s = 2 [default = \"hi\\n\"];\n"
     "  optional E e = 6 [default = V];\n"
     "\n"
     "  oneof o {\n"
     "    string os = 9;\n"
     "  \n"
     "    group OG = 10 {\n"
     "      optional string z = 11;\n"
     "    }\n"
     "  }\n"
     "\n"
     "  repeated group G = 4 {\n"
     "    optional int32 q = 5;\n"
     "  }\n"
     "\n"
     "  extensions 100 to 199, 500 [verification = UNVERIFIED];\n"
     "\n"
     "  extend A {\n"
     "    optional int32 ext = 100;\n"
     "  }\n"
     "\n"
     "  enum E {\n"
     "    V = 1;\n"
     "  }\n"
     "}\n"
     "",
     "package p;\n"
     "\n"
     "message A {\n"
     "  required int32 x = 1 [default = -5];\n"
     "  optional string s = 2 [default = \"hi\\n\"];\n"
     "  optional .p.A.E e = 6 [default = V];\n"
     "\n"
     "  oneof o {\n"
     "    string os = 9;\n"
     "  \n"
     "    group OG = 10 {\n"
     "      optional string z = 11;\n"
     "    }\n"
     "  }\n"
     "\n"
     "  repeated group G = 4 {\n"
     "    optional int32 q = 5;\n"
     "  }\n"
     "\n"
     "  extensions 100 to 199 [verification = UNVERIFIED];\n"
     "  extensions 500 [verification = UNVERIFIED];\n"
     "\n"
     "  extend .p.A {\n"
     "    optional int32 ext = 100;\n"
     "  }\n"
     "\n"
     "  enum E {\n"
     "    V = 1;\n"
     "  }\n"
     "}\n"
     ""},
    {"message A { optional int32 a = 1; }",
     "\n"
     "message A {\n"
     "  optional int32 a = 1;\n"
     "}\n"
     "",
     "\n"
     "message A {\n"
     "  optional int32 a = 1;\n"
     "}\n"
     ""},
    {"syntax = \"proto3\"; message A {}",
     "syntax = \"proto3\";\n"
     "\n"
     "message A {}\n"
     "",
     "syntax = \"proto3\";\n"
     "\n"
     "message A {}\n"
     ""},
    {"syntax = \"proto3\"; package p; import \"google/protobuf/descriptor.proto\"; message O { string a = 1; repeated "
     "string b = 2; O c = 3; } extend google.protobuf.FieldOptions { O ext = 50001; } message M { int32 x = 3 [(ext).a "
     "= \"s\", (ext).b = \"1\", (ext).c.a = \"q\", (ext).b = \"2\", (ext).c.b = \"r\"]; int32 y = 1 [(other) = { b: 1 "
     "a { z: 0x10 } }]; oneof o { string s = 9; M m = 4; } oneof n { int32 i = 2; } }",
     "syntax = \"proto3\";\n"
     "package p;\n"
     "\n"
     "import \"google/protobuf/descriptor.proto\";\n"
     "\n"
     "message O {\n"
     "  string a = 1;\n"
     "  repeated string b = 2;\n"
     "  O c = 3;\n"
     "}\n"
     "message M {\n"
     "  int32 x = 3 [\n"
     "    (ext).a = \"s\",\n"
     "    (ext).b = \"1\",\n"
     "    (ext).c.a = \"q\",\n"
     "    (ext).b = \"2\",\n"
     "    (ext).c.b = \"r\"\n"
     "  ];\n"
     "  int32 y = 1 [(other) = {\n"
     "    b: 1,\n"
     "    a: {\n"
     "      z: 0x10\n"
     "    }\n"
     "  }];\n"
     "\n"
     "  oneof o {\n"
     "    string s = 9;\n"
     "    M m = 4;\n"
     "  }\n"
     "  oneof n {\n"
     "    int32 i = 2;\n"
     "  }\n"
     "}\n"
     "\n"
     "extend google.protobuf.FieldOptions {\n"
     "  O ext = 50001;\n"
     "}\n"
     "",
     "syntax = \"proto3\";\n"
     "package p;\n"
     "\n"
     "import \"google/protobuf/descriptor.proto\";\n"
     "\n"
     "message O {\n"
     "  string a = 1;\n"
     "  repeated string b = 2;\n"
     "  .p.O c = 3;\n"
     "}\n"
     "message M {\n"
     "  int32 y = 1 [(other) = {\n"
     "    a: {\n"
     "      z: 16\n"
     "    },\n"
     "    b: 1\n"
     "  }];\n"
     "  int32 x = 3 [(p.ext) = {\n"
     "    a: \"s\",\n"
     "    b: [\n"
     "      \"1\",\n"
     "      \"2\"\n"
     "    ],\n"
     "    c: {\n"
     "      a: \"q\",\n"
     "      b: \"r\"\n"
     "    }\n"
     "  }];\n"
     "\n"
     "  oneof n {\n"
     "    int32 i = 2;\n"
     "  }\n"
     "  oneof o {\n"
     "    .p.M m = 4;\n"
     "    string s = 9;\n"
     "  }\n"
     "}\n"
     "\n"
     "extend .google.protobuf.FieldOptions {\n"
     "  .p.O ext = 50001;\n"
     "}\n"
     ""},
};

/* reader, writer, the problems (NULL: it can be read) */
static const struct pair_case PAIRS[] = {
    {"syntax = \"proto3\"; package a; message M { int32 x = 1; }",
     "syntax = \"proto3\"; package b; message M { int32 x = 1; }",
     "{errorType:\"PACKAGE_CHANGED\", description:\"The package at '#/' in the %s schema does not match "
     "the package in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { int32 x = 1; }", "syntax = \"proto3\"; message M { int32 x = 1; } message N {}",
     "{errorType:\"MESSAGE_REMOVED\", description:\"The %s schema is missing a MESSAGE type at path '#/N"
     "' in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { int64 y = 1; }", "syntax = \"proto3\"; message M { int32 x = 1; }", NULL},
    {"syntax = \"proto3\"; message M { string x = 1; }", "syntax = \"proto3\"; message M { int32 x = 1; }",
     "{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path '#/M/1'"
     " in the %s schema does not match its kind in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { sint32 x = 1; }", "syntax = \"proto3\"; message M { int32 x = 1; }",
     "{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path '#/M/1'"
     " in the %s schema does not match its kind in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { bytes x = 1; }", "syntax = \"proto3\"; message M { string x = 1; }", NULL},
    {"syntax = \"proto3\"; message M { E x = 1; enum E { A = 0; } }", "syntax = \"proto3\"; message M { int32 x = 1; }",
     NULL},
    {"syntax = \"proto3\"; message M { }", "syntax = \"proto3\"; message M { int32 x = 1; }", NULL},
    {"syntax = \"proto3\"; message M { N x = 1; } message N {}",
     "syntax = \"proto3\"; message M { int32 x = 1; } message N {}",
     "{errorType:\"FIELD_KIND_CHANGED\", description:\"The type of a field at path '#/M/1' in the %s sch"
     "ema does not match the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { N x = 1; } message N {} message O {}",
     "syntax = \"proto3\"; message M { O x = 1; } message N {} message O {}",
     "{errorType:\"FIELD_NAMED_TYPE_CHANGED\", description:\"The type of a MESSAGE field at path '#/M/1'"
     " in the %s schema does not match its type in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { map<string, int32> x = 1; }",
     "syntax = \"proto3\"; message M { map<string, string> x = 1; }",
     "{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path '#/M/1'"
     " in the %s schema does not match its kind in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { optional int32 x = 1; }",
     "syntax = \"proto3\"; message M { repeated int32 x = 1; }",
     "{errorType:\"FIELD_NUMERIC_LABEL_CHANGED\", description:\"The label for a NUMERIC field at path '#"
     "/M/1' in the %s schema does not match its label in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { optional string x = 1; }",
     "syntax = \"proto3\"; message M { repeated string x = 1; }", NULL},
    {"message M { required int32 x = 1; }", "message M { }",
     "{errorType:\"REQUIRED_FIELD_ADDED\", description:\"A required field  at path '#/M/1' in the %s sch"
     "ema is missing in the %s schema\"}|"},
    {"message M { }", "message M { required int32 x = 1; }",
     "{errorType:\"REQUIRED_FIELD_REMOVED\", description:\"The %s schema is missing a required field at "
     "path: '#/M/1' in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { oneof o { int32 x = 1; } }",
     "syntax = \"proto3\"; message M { oneof o { int32 x = 1; int32 y = 2; } }",
     "{errorType:\"ONEOF_FIELD_REMOVED\", description:\"The %s schema is missing a oneof field at path '"
     "#/M/o/2' in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { }", "syntax = \"proto3\"; message M { oneof o { int32 x = 1; int32 y = 2; } }",
     NULL},
    {"syntax = \"proto3\"; message M { oneof o { int32 x = 1; int32 y = 2; } }",
     "syntax = \"proto3\"; message M { int32 x = 1; int32 y = 2; }",
     "{errorType:\"MULTIPLE_FIELDS_MOVED_TO_ONEOF\", description:\"Multiple fields in the oneof at path "
     "'#/M/o' in the %s schema are outside a oneof in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { oneof o { int32 x = 1; int32 y = 2; int32 z = 3; } }",
     "syntax = \"proto3\"; message M { int32 x = 1; oneof o { int32 y = 2; int32 z = 3; } }",
     "{errorType:\"FIELD_MOVED_TO_EXISTING_ONEOF\", description:\"A field in the oneof at path '#/M/o' i"
     "n the %s schema is outside an existing oneof in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { int32 x = 1; int32 y = 2; }",
     "syntax = \"proto3\"; message M { oneof o { int32 x = 1; int32 y = 2; } }", NULL},
    {"syntax = \"proto3\"; message M { M.N n = 1; message N { string s = 1; } }",
     "syntax = \"proto3\"; message M { M.N n = 1; message N { int32 s = 1; } }",
     "{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\"The kind of a SCALAR field at path '#/M/N/"
     "1' in the %s schema does not match its kind in the %s schema\"}|"},
    {"syntax = \"proto3\"; message M { enum E { A = 0; } E e = 1; }",
     "syntax = \"proto3\"; message M { enum E { A = 0; B = 1; } E e = 1; }", NULL},
};

#define P3 "syntax = \"proto3\"; "

static const struct wrong_case WRONG[] = {
    {"message", "line 1"},
    {"message A {", "the text ends"},
    {"message A { int32 x = 1; }", "a field of proto2 begins with"},
    {P3 "message A { required int32 x = 1; }", "no required fields"},
    {P3 "\nmessage A {\n  int32 x = ;\n}", "line 3, column 13"},
    {P3 "message A { B b = 1; }", "Could not resolve type: B"},
    {P3 "message A { int32 x = 1; int32 y = 1; }", "the same number 1"},
    {P3 "message A { int32 x = 1; int32 x = 2; }", "there twice"},
    {P3 "message A {} message A {}", "a second time"},
    {P3 "message A { int32 x = 0; }", "cannot have the number 0"},
    {P3 "message A { int32 x = 19500; }", "cannot have the number 19500"},
    {P3 "message A { int32 x = 536870912; }", "cannot have the number"},
    {P3 "message A { int32 x = 99999999999; }", "no number of 32 bits"},
    {P3 "message A { map<float, int32> m = 1; }", "cannot be the key"},
    {P3 "message A { repeated map<string, int32> m = 1; }", "a map cannot be"},
    {P3 "message 1A {}", "cannot be a name"},
    {"package a; syntax = \"proto3\";", "first declaration"},
    {"syntax = \"proto4\";", "unexpected syntax"},
    {"edition = \"2023\"; message A {}", "edition is not currently supported"},
    {P3 "message A {} /* no end", "does not end"},
    {P3 "option a = \"x;", "does not end"},
    {P3 "service S { rpc R(A) returns (B); }", "Could not resolve type: A"},
    {P3 "extend X { string y = 1; }", "Could not resolve type: X"},
    {"AAAA", "line 1"},
};

#define KITCHEN                                                                                                      \
    P3 "import \"google/protobuf/timestamp.proto\"; import \"google/protobuf/any.proto\"; message K { int32 i = 1; " \
       "int64 big_number = 2; bytes b = 3; repeated int32 list = 4; map<string, bool> m = 5; E e = 6; "              \
       "oneof o { string s = 7; K k = 8; } optional double d = 9; google.protobuf.Timestamp t = 10; "                \
       "google.protobuf.Any any = 11; enum E { ZERO = 0; ONE = 1; } } message L { message N { int32 x = 1; } }"
#define DEFAULTS "\"i\":0,\"bigNumber\":\"0\",\"b\":\"\",\"list\":[],\"m\":{},\"e\":\"ZERO\""

static const struct value_case VALUES[] = {
    {KITCHEN, "00", "{" DEFAULTS "}"},
    {KITCHEN, "020000", NULL}, /* index 0 of one level, then a byte that is no message */
    {KITCHEN, "0200", "{" DEFAULTS "}"},
    {KITCHEN, "0202", "{}"},              /* the second message */
    {KITCHEN, "0402000805", "{\"x\":5}"}, /* L.N */
    {KITCHEN, "0204", NULL},              /* there is no third */
    {KITCHEN, "01", NULL},                /* a negative number of indexes */
    {KITCHEN, "feffffff0f", NULL},
    {KITCHEN, "", NULL},
    {KITCHEN, "0008ffffffffffffffffff01",
     "{\"i\":-1,\"bigNumber\":\"0\",\"b\":\"\",\"list\":[],\"m\":{},\"e\":\"ZERO\"}"},
    {KITCHEN, "0008ffffffffffffffffffff01", NULL},   /* more than ten bytes */
    {KITCHEN, "00220301020320042205ffffffff", NULL}, /* longer than what is there */
    {KITCHEN, "0022030102032004",
     "{\"i\":0,\"bigNumber\":\"0\",\"b\":\"\",\"list\":[1,2,3,4],\"m\":{},\"e\":\"ZERO\"}"},
    {KITCHEN, "002a050a016110012a050a01611000",
     "{\"i\":0,\"bigNumber\":\"0\",\"b\":\"\",\"list\":[],\"m\":{\"a\":false},\"e\":\"ZERO\"}"},
    {KITCHEN, "003007", "{\"i\":0,\"bigNumber\":\"0\",\"b\":\"\",\"list\":[],\"m\":{},\"e\":7}"},
    {KITCHEN, "003a0161420208013a0162", "{" DEFAULTS ",\"s\":\"b\"}"}, /* of a oneof the last one counts */
    {KITCHEN,
     "00420208014202"
     "1002",
     "{" DEFAULTS ",\"k\":{\"i\":1,\"bigNumber\":\"2\",\"b\":\"\",\"list\":[],\"m\":{},\"e\":\"ZERO\"}}"},
    {KITCHEN, "003a01ff", NULL}, /* not UTF-8 */
    {KITCHEN, "00490000000000000080", "{" DEFAULTS ",\"d\":-0.0}"},
    {KITCHEN, "0052061080d0acf30e", NULL}, /* 4,000,000,000 nanoseconds */
    {KITCHEN, "00520708011080c2d72f", "{" DEFAULTS ",\"t\":\"1970-01-01T00:00:01.100Z\"}"},
    {KITCHEN, "005a0f0a07782f4c2e4e2e78120408011001",
     "{" DEFAULTS ",\"any\":{\"@type\":\"x/L.N.x\",\"value\":\"CAEQAQ==\"}}"},
    {KITCHEN, "005a0b0a05782f4c2e4e12020809", "{" DEFAULTS ",\"any\":{\"@type\":\"x/L.N\",\"x\":9}}"},
    {KITCHEN, "00f2ff7f0161", "{" DEFAULTS "}"},         /* an unknown field */
    {KITCHEN, "000b", NULL},                             /* a group without its end */
    {KITCHEN, "00a30608011a0161a406", "{" DEFAULTS "}"}, /* an unknown group */
    {"message A { optional int32 x = 1 [default = 7]; repeated group G = 2 { optional int32 y = 3; } }", "0013180514",
     "{\"x\":7,\"g\":[{\"y\":5}]}"},
};

static const struct value_case WRITTEN[] = {
    {KITCHEN, "00", "{}"},
    {KITCHEN, "000801109601", "{\"i\":\"1\",\"big_number\":150}"},
    {KITCHEN, "001a02fb01", "{\"b\":\"+wE=\"}"},
    {KITCHEN, "001a02fb01", "{\"b\":\"-wE\"}"},
    {KITCHEN, "002203010203", "{\"list\":[1,2,3.0]}"},
    {KITCHEN,
     "0030014900000000000000"
     "00",
     "{\"e\":\"ONE\",\"d\":0}"},
    {KITCHEN, "003a00", "{\"s\":\"\",\"k\":null}"},
    {KITCHEN, "00520708011080c2d72f", "{\"t\":\"1970-01-01T01:00:01.1+01:00\"}"},
    {KITCHEN, "005a0b0a05782f4c2e4e12020809", "{\"any\":{\"@type\":\"x/L.N\",\"x\":9}}"},
    {KITCHEN, NULL, "{\"i\":1.5}"},
    {KITCHEN, NULL, "{\"i\":2147483648}"},
    {KITCHEN, NULL, "{\"nope\":1}"},
    {KITCHEN, NULL, "{\"s\":\"\",\"k\":{}}"},
    {KITCHEN, NULL, "{\"bigNumber\":1,\"big_number\":1}"},
    {KITCHEN, NULL, "{\"list\":[null]}"},
    {KITCHEN, NULL, "{\"e\":\"TWO\"}"},
    {KITCHEN, NULL, "{\"b\":\"!\"}"},
    {KITCHEN, NULL, "{\"t\":\"1970-02-30T00:00:00Z\"}"},
    {KITCHEN, NULL, "{\"any\":{\"@type\":\"x/Nope\"}}"},
    {KITCHEN, NULL, "[]"},
    {"message A { required int32 x = 1; }", NULL, "{}"},
};

static void test_texts(void **state)
{
    (void)state;
    check_texts(SCHEMA_PROTOBUF, TEXTS, IG_COUNT(TEXTS));
}

static void test_pairs(void **state)
{
    (void)state;
    check_pairs(SCHEMA_PROTOBUF, PAIRS, IG_COUNT(PAIRS));
}

static void test_what_is_no_schema_is_refused_with_its_place(void **state)
{
    (void)state;
    check_wrong(SCHEMA_PROTOBUF, WRONG, IG_COUNT(WRONG));
}

static void test_messages_are_read(void **state)
{
    (void)state;
    check_decoded(SCHEMA_PROTOBUF, VALUES, IG_COUNT(VALUES));
}

static void test_messages_are_written(void **state)
{
    (void)state;
    check_encoded(SCHEMA_PROTOBUF, WRITTEN, IG_COUNT(WRITTEN));
}

static void test_a_message_that_nests_too_deep_is_refused(void **state)
{
    struct schema *s = parse_ok(SCHEMA_PROTOBUF, P3 "message A { A a = 1; }", NULL, 0);
    struct buf bytes, inner, json;
    struct error err;

    (void)state;
    buf_init(&bytes, 0);
    buf_init(&inner, 0);
    buf_init(&json, 0);
    for (int i = 0; i < 120; i++) { /* short lengths, then one of two bytes */
        buf_clear(&bytes);
        buf_putc(&bytes, 0x0a);
        if (inner.n >= 0x80)
            buf_putc(&bytes, (char)(0x80 | (inner.n & 0x7f)));
        buf_putc(&bytes, (char)(inner.n >= 0x80 ? inner.n >> 7 : inner.n));
        buf_add_str(&bytes, buf_str(&inner));
        buf_clear(&inner);
        buf_add_str(&inner, buf_str(&bytes));
        if (i == 90) {
            buf_clear(&bytes);
            buf_putc(&bytes, 0);
            buf_add_str(&bytes, buf_str(&inner));
            assert_int_equal(schema_decode(s, buf_str(&bytes), &json, &err), IG_OK);
        }
    }
    buf_clear(&bytes);
    buf_putc(&bytes, 0);
    buf_add_str(&bytes, buf_str(&inner));
    buf_clear(&json);
    assert_int_equal(schema_decode(s, buf_str(&bytes), &json, &err), IG_INVALID);
    assert_non_null(strstr(err.msg, "too deep"));
    buf_release(&json);
    buf_release(&inner);
    buf_release(&bytes);
    schema_free(s);
}

/* The text, the descriptor that clients send, and the text made of that are one schema. */
static void test_a_descriptor_is_a_schema(void **state)
{
    struct schema *s = parse_ok(SCHEMA_PROTOBUF, KITCHEN, NULL, 0), *of_descriptor;
    struct buf descriptor, a, b;
    struct error err;

    (void)state;
    buf_init(&descriptor, 0);
    buf_init(&a, 0);
    buf_init(&b, 0);
    assert_int_equal(schema_formatted(s, STR("serialized"), &descriptor, &err), IG_OK);
    of_descriptor = parse_ok(SCHEMA_PROTOBUF, buf_cstr(&descriptor), NULL, 0);
    assert_true(schema_can_read(s, of_descriptor, NULL));
    assert_true(schema_can_read(of_descriptor, s, NULL));
    schema_canonical(of_descriptor, &a);
    assert_non_null(strstr(buf_cstr(&a), "  repeated .K.MEntry m = 5 [json_name = \"m\"];\n"));
    assert_non_null(strstr(buf_cstr(&a), "    option map_entry = true;\n"));
    buf_clear(&a);
    assert_int_equal(schema_decode(s, (struct str){"\0\x08\x01*\x05\n\x01z\x10\x01", 10}, &a, &err), IG_OK);
    assert_int_equal(schema_decode(of_descriptor, (struct str){"\0\x08\x01*\x05\n\x01z\x10\x01", 10}, &b, &err), IG_OK);
    assert_string_equal(buf_cstr(&a), buf_cstr(&b));
    schema_free(of_descriptor);
    schema_free(s);
    buf_release(&b);
    buf_release(&a);
    buf_release(&descriptor);
}

static void test_references(void **state)
{
    struct schema *leaf, *middle, *old, *changed_leaf, *changed;
    struct schema_reference refs[2];
    struct schema_problems problems = {0};
    struct buf json;
    struct error err;

    (void)state;
    buf_init(&json, 0);
    leaf = parse_ok(SCHEMA_PROTOBUF, P3 "package x; message Leaf { int32 v = 1; }", NULL, 0);
    refs[0] = (struct schema_reference){"leaf.proto", leaf};
    middle =
        parse_ok(SCHEMA_PROTOBUF, P3 "package x; import \"leaf.proto\"; message Middle { Leaf leaf = 1; }", refs, 1);
    refs[1] = (struct schema_reference){"middle.proto", middle};
    old = parse_ok(SCHEMA_PROTOBUF, P3 "import \"middle.proto\"; message Top { x.Middle m = 1; .x.Leaf l = 2; }", refs,
                   2);
    assert_int_equal(schema_decode(old, (struct str){"\0\n\4\n\2\x08\1\x12\2\x08\2", 11}, &json, &err), IG_OK);
    assert_string_equal(buf_cstr(&json), "{\"m\":{\"leaf\":{\"v\":1}},\"l\":{\"v\":2}}");
    changed_leaf = parse_ok(SCHEMA_PROTOBUF, P3 "package x; message Leaf { string v = 1; }", NULL, 0);
    refs[0].schema = changed_leaf;
    changed = parse_ok(SCHEMA_PROTOBUF, P3 "import \"leaf.proto\"; message Top { .x.Leaf l = 2; }", refs, 1);
    assert_false(schema_can_read(changed, old, &problems));
    assert_int_equal(problems.list.n, 2);
    assert_non_null(strstr(problems.list.p[0], "FIELD_SCALAR_KIND_CHANGED"));
    assert_non_null(strstr(problems.list.p[0], "'#/Leaf/1'"));
    assert_non_null(strstr(problems.list.p[1], "FIELD_NAMED_TYPE_CHANGED"));
    assert_non_null(strstr(problems.list.p[1], "'#/Top/2'"));
    schema_problems_free(&problems);
    schema_free(changed);
    schema_free(changed_leaf);
    schema_free(old);
    schema_free(middle);
    schema_free(leaf);
    buf_release(&json);
}

static void test_all_well_known_files_can_be_imported(void **state)
{
    static const char *const NAMES[] = {
        "google.protobuf.Any",
        "google.protobuf.Api",
        "google.protobuf.Duration",
        "google.protobuf.Empty",
        "google.protobuf.Struct",
        "google.protobuf.FieldMask",
        "google.protobuf.Timestamp",
        "google.protobuf.Type",
        "google.type.Color",
        "google.type.Date",
        "google.type.DateTime",
        "google.type.DayOfWeek",
        "google.type.Decimal",
        "google.type.Expr",
        "google.type.Fraction",
        "google.type.Interval",
        "google.type.LatLng",
        "google.type.Money",
        "google.type.Month",
        "google.type.PhoneNumber",
        "google.type.PostalAddress",
        "google.type.Quaternion",
        "google.type.TimeOfDay",
        "google.type.CalendarPeriod",
        "confluent.Meta",
        "confluent.type.Decimal",
        "confluent.type.Variant",
        "google.protobuf.BytesValue",
    };
    char text[300];

    (void)state;
    for (size_t i = 0; i < IG_COUNT(NAMES); i++) {
        snprintf(text, sizeof(text), P3 "message A { %s x = 1; }", NAMES[i]);
        schema_free(parse_ok(SCHEMA_PROTOBUF, text, NULL, 0));
    }
    schema_free(parse_ok(
        SCHEMA_PROTOBUF,
        P3 "import \"confluent/meta.proto\"; import \"google/protobuf/descriptor.proto\"; message A { int32 x = 1 "
           "[(confluent.field_meta) = { doc: \"d\", tags: [\"PII\"] }]; google.protobuf.FileDescriptorProto f = 2; }",
        NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_what_is_no_schema_is_refused_with_its_place),
        cmocka_unit_test(test_messages_are_read),
        cmocka_unit_test(test_messages_are_written),
        cmocka_unit_test(test_a_message_that_nests_too_deep_is_refused),
        cmocka_unit_test(test_a_descriptor_is_a_schema),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_all_well_known_files_can_be_imported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
