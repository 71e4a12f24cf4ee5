package io.github.sparkmixtral.grammar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GbnfReaderTest {
    @Test
    void readsWhatLlamaCppReads() {
        Grammar grammar = GbnfReader.read("""
                # Sums, with brackets
                root  ::= (expr "=" ws term "\\n")+
                expr  ::= term ([-+*/] term)*
                term  ::= ident | num
                  | "(" ws expr ")" ws
                ident ::= [a-z] [a-z0-9_]* ws
                num   ::= [0-9]+ ws
                ws    ::= [ \\t\\n]*
                """);
        assertThat(Texts.isWhole(grammar, "(a1 +22)*b=7\n")).isTrue();
        assertThat(Texts.isWhole(grammar, "((((a))))=7\nb=c\n")).isTrue();
        assertThat(Texts.isWhole(grammar, "((a)=7\n")).isFalse();
        assertThat(Texts.isBeginning(grammar, "((a)")).isTrue();
        assertThat(Texts.isBeginning(grammar, "A")).isFalse();
    }

    @Test
    void spaceMayStandAroundCounts() {
        Grammar grammar = GbnfReader.read("root ::= \"a\" * [0-9] { 1, 3 } ( \"x\" # one\n ? ) {2 ,}\nb ::= root");
        assertThat(Texts.isWhole(grammar, "aa12xx")).isTrue();
        assertThat(Texts.isWhole(grammar, "123")).isTrue();
        assertThat(Texts.isWhole(grammar, "1234")).isFalse();
    }

    @Test
    void charactersAreWholeOnes() {
        Grammar grammar = GbnfReader.read("root ::= [^a-z\\n] \"é\\x41\\u20ac\\U0001F600\" . [\\]\\-あ-ん]{2,3}");
        assertThat(Texts.isWhole(grammar, "ÄéA€😀😀]-")).isTrue();
        assertThat(Texts.isWhole(grammar, "ÄéA€😀\nいろは")).isTrue();
        assertThat(Texts.isWhole(grammar, "ÄéA€😀\nいろはに")).isFalse();
        assertThat(Texts.isWhole(grammar, "äéA€😀\nい")).isFalse();
        assertThat(Texts.isWhole(grammar, "aéA€😀\nいろ")).isFalse();
    }

    @Test
    void countsThatAreLargeCostLittle() {
        Grammar grammar = GbnfReader.read("root ::= (\"ab\" | \"a\" \"b\"){1000,9000} [0-9]{3,}");
        assertThat(Texts.isWhole(grammar, "ab".repeat(999) + "123")).isFalse();
        assertThat(Texts.isWhole(grammar, "ab".repeat(1000) + "12")).isFalse();
        assertThat(Texts.isWhole(grammar, "ab".repeat(1000) + "123456")).isTrue();
        assertThat(Texts.isWhole(grammar, "ab".repeat(9001) + "123")).isFalse();
    }

    @Test
    void whatMayBeEmptyMayBeRepeated() {
        Grammar grammar = GbnfReader.read("root ::= (\"a\"? b?)* \"c\" ([x]*){5}\nb ::= \"b\"*");
        assertThat(Texts.isWhole(grammar, "c")).isTrue();
        assertThat(Texts.isWhole(grammar, "abbaacxxxxxxxx")).isTrue();
        assertThat(Texts.isWhole(grammar, "abba")).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "a ::= \"x\" | the rule 'root', which a grammar begins with, is missing",
                "root ::= b | the rule 'root' uses the rule 'b', which is missing",
                "root ::= \"x\" root | no text is possible: the rules from 'root' on never come to an end",
                "root ::= root \"x\" ~ \"y\" | the rule 'root' begins with itself (root -> root), which no text can be read with: let it end with itself instead",
                "root ::= \"a\"? b%b ::= [x]* root ~ \"c\" | the rule 'root' begins with itself (root -> b -> root), which no text can be read with: let it end with itself instead",
                "root ::= \"x | the grammar has a \" without its end, in line 1",
                "root ::= [x | the grammar has a [ without its end, in line 1",
                "root ::= (x | the grammar has a ( without a ), in line 1",
                "root ::= [z-a] | the grammar has a range that ends before it begins, in line 1",
                "root ::= \"a\"%root ::= \"b\" | the grammar has a second rule 'root', in line 2",
                "root = \"a\" | the grammar wants a rule, name ::= ..., and finds 'root = \"a\"', in line 1",
                "start: \"a\" | the grammar wants a rule, name ::= ..., and finds 'start: \"a\"', in line 1",
                "root ::= \"a\"{3,2} | the grammar has a wrong {, in line 1",
                "root ::= \"a\"{99999} | the grammar wants a number of at most 10000, in line 1",
                "root ::= \"\\q\" | the grammar has the unknown escape \\q, in line 1",
                "root ::= \"a\" ) | the grammar cannot be read on from 'root ::= \"a\" )', in line 1"
            })
    void saysWhatIsWrongWithAGrammar(String grammar, String message) {
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> GbnfReader.read(grammar.replace('%', '\n').replace('~', '|')))
                .withMessage(message);
    }

    @Test
    void whatCanBeReadInTooManyWaysIsRefused() {
        Grammar grammar = GbnfReader.read("root ::= (a{0,9000}){0,9000}\na ::= \"x\" | \"x\" \"x\"");
        assertThatExceptionOfType(GrammarException.class)
                .isThrownBy(() -> Texts.isWhole(grammar, "x".repeat(3000)))
                .withMessage("it can be read in too many ways at once; make it less ambiguous");
    }
}
