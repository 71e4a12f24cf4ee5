package io.github.sparkmixtral;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** Who may know whom. */
class ArchitectureTest {
    private static final String ROOT = "io.github.sparkmixtral";
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages(ROOT);

    @Test
    void kernelsKnowNoSpark() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.spark..", "org.apache.hadoop..", "scala..", ROOT + ".job..")
                .check(CLASSES);
    }

    @Test
    void engineKnowsNoBackend() {
        noClasses()
                .that()
                .resideInAnyPackage(ROOT + ".engine..", ROOT + ".service..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(ROOT + ".cpu..", ROOT + ".tornado..")
                .check(CLASSES);
    }

    @Test
    void whatReadsModelsKnowsNothingOfWhatRunsThem() {
        noClasses()
                .that()
                .resideInAnyPackage(
                        ROOT + ".tensor..",
                        ROOT + ".file..",
                        ROOT + ".model..",
                        ROOT + ".gguf..",
                        ROOT + ".safetensors..",
                        ROOT + ".prequantized..",
                        ROOT + ".tokenizer..",
                        ROOT + ".chat..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(ROOT + ".engine..", ROOT + ".service..", ROOT + ".cpu..")
                .check(CLASSES);
    }

    @Test
    void engineKnowsNoArrowAndNoJson() {
        noClasses()
                .that()
                .resideInAPackage(ROOT + ".engine..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.apache.arrow..", "com.fasterxml.jackson..", ROOT + ".service..")
                .check(CLASSES);
    }

    @Test
    void schedulerIsPure() {
        noClasses()
                .that()
                .haveFullyQualifiedName(ROOT + ".engine.Scheduler")
                .should()
                .dependOnClassesThat()
                .haveFullyQualifiedName(ROOT + ".engine.Backend")
                .orShould()
                .dependOnClassesThat()
                .resideInAnyPackage("java.util.concurrent..", "java.time..")
                .orShould()
                .callMethod(System.class, "nanoTime")
                .orShould()
                .callMethod(System.class, "currentTimeMillis")
                .check(CLASSES);
    }

    @Test
    void packagesFormNoCycle() {
        slices().matching(ROOT + ".(**)").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void formatsOfFilesStandOnTensorsAlone() {
        noClasses()
                .that()
                .resideInAnyPackage(ROOT + ".gguf..", ROOT + ".safetensors..", ROOT + ".tensor..")
                .should()
                .dependOnClassesThat(resideInAPackage(ROOT + "..")
                        .and(not(resideInAnyPackage(
                                ROOT + ".gguf..", ROOT + ".safetensors..", ROOT + ".tensor..", ROOT + ".file.."))))
                .check(CLASSES);
    }
}
