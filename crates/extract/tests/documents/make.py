"""Makes the documents of this folder, with libraries that people use:

    pip install python-docx openpyxl python-pptx odfpy reportlab
    python make.py

Their texts are our own. Each has the words that the tests look for: some plain, some accented,
some Japanese, one split over two runs."""

from docx import Document
from odf import draw, office, opendocument, style, table, text
from openpyxl import Workbook
from openpyxl.comments import Comment
from pptx import Presentation
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas


def docx():
    doc = Document()
    doc.core_properties.title = "Informe de la cosecha"
    doc.add_heading("Olive harvest", 1)
    line = doc.add_paragraph("The grove gave a ")
    line.add_run("remark").bold = True
    line.add_run("able yield: niño, café.")
    doc.add_paragraph("収穫の報告")
    grid = doc.add_table(rows=1, cols=2)
    grid.rows[0].cells[0].text = "Arbequina"
    grid.rows[0].cells[1].text = "Picual"
    doc.sections[0].header.paragraphs[0].text = "Cooperative letterhead"
    doc.save("harvest.docx")


def xlsx():
    book = Workbook()
    sheet = book.active
    sheet.title = "Harvest 2026"
    sheet.append(["Variety", "Kilograms", "Año"])
    sheet.append(["Arbequina", 1234.5, 2026])
    sheet.append(["Picual", 987, 2026])
    sheet["A2"].comment = Comment("remarkable quality", "Ana")
    second = book.create_sheet("Sheet two")
    second.append(["収穫"])
    book.save("harvest.xlsx")


def pptx():
    show = Presentation()
    for number in range(1, 12):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = f"Slide number {number}"
        slide.placeholders[1].text = "Olive harvest, niño" if number == 1 else "収穫"
    show.slides[0].notes_slide.notes_text_frame.text = "remarkable notes"
    show.save("harvest.pptx")


def odt():
    doc = opendocument.OpenDocumentText()
    doc.text.addElement(text.H(outlinelevel=1, text="Olive harvest"))
    line = text.P(text="The   grove gave a ")
    line.addElement(text.Span(text="remark"))
    line.addElement(text.Span(text="able yield: niño."))
    line.addElement(text.LineBreak())
    line.addText("Second")
    line.addElement(text.S(c=3))
    line.addText("line")
    doc.text.addElement(line)
    doc.text.addElement(text.P(text="収穫の報告"))
    page = style.PageLayout(name="page")
    doc.automaticstyles.addElement(page)
    master = style.MasterPage(name="Standard", pagelayoutname=page)
    header = style.Header()
    header.addElement(text.P(text="Cooperative letterhead"))
    master.addElement(header)
    doc.masterstyles.addElement(master)
    doc.save("harvest.odt")


def ods():
    doc = opendocument.OpenDocumentSpreadsheet()
    sheet = table.Table(name="Harvest")
    for words in (["Variety", "Año"], ["Arbequina", "2026"], ["収穫", "remarkable"]):
        row = table.TableRow()
        for word in words:
            cell = table.TableCell()
            cell.addElement(text.P(text=word))
            row.addElement(cell)
        sheet.addElement(row)
    doc.spreadsheet.addElement(sheet)
    doc.save("harvest.ods")


def odp():
    doc = opendocument.OpenDocumentPresentation()
    layout = style.PageLayout(name="page")
    doc.automaticstyles.addElement(layout)
    master = style.MasterPage(name="Standard", pagelayoutname=layout)
    doc.masterstyles.addElement(master)
    page = draw.Page(masterpagename=master, name="one")
    frame = draw.Frame(width="20cm", height="5cm", x="1cm", y="1cm")
    box = draw.TextBox()
    box.addElement(text.P(text="Olive harvest, remarkable niño 収穫"))
    frame.addElement(box)
    page.addElement(frame)
    doc.presentation.addElement(page)
    doc.save("harvest.odp")


def pdf(name, **options):
    out = canvas.Canvas(name, invariant=1, **options)
    out.setTitle("Informe")
    out.drawString(72, 720, "Olive harvest: the grove gave a remarkable yield.")
    out.drawString(72, 700, "El niño bebió café en España.")
    pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
    out.setFont("HeiseiMin-W3", 14)
    out.drawString(72, 680, "収穫の報告")
    out.showPage()
    out.setFont("Helvetica", 12)
    out.drawString(72, 720, "Second page: Arbequina and Picual.")
    out.showPage()
    out.save()


docx()
xlsx()
pptx()
odt()
ods()
odp()
pdf("harvest.pdf")
pdf("locked.pdf", encrypt=StandardEncryption("secret", ownerPassword="owner"))
pdf("unprintable.pdf", encrypt=StandardEncryption("", ownerPassword="owner", canPrint=0))
